package lamina;

import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The function's class path: its package, then layers; what it lacks of AWS's interfaces comes last. */
final class FunctionLoader {
    private FunctionLoader() {
    }

    /** The bootstrap's own classes are not to be seen: the parent is the JDK. */
    static ClassLoader make(Settings s) throws MalformedURLException {
        List<URL> urls = new ArrayList<>();
        urls.add(new File(s.task + "/").toURI().toURL());
        addJars(new File(s.task, "lib"), urls);
        addJars(new File(s.opt, "java/lib"), urls);
        urls.add(new File(s.runtime, "core.jar").toURI().toURL());
        return new URLClassLoader(urls.toArray(new URL[0]), ClassLoader.getPlatformClassLoader());
    }

    /** In an order that does not depend on the file system. */
    private static void addJars(File dir, List<URL> urls) throws MalformedURLException {
        String[] names = dir.list((d, name) -> name.endsWith(".jar"));
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            urls.add(new File(dir, name).toURI().toURL());
        }
    }
}
