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

    /** Tells which classes the function has so far. */
    static final class Loader extends URLClassLoader {
        Loader(URL[] urls) {
            super(urls, ClassLoader.getPlatformClassLoader());
        }

        Class<?> loaded(String name) {
            return findLoadedClass(name);
        }
    }

    /** The bootstrap's own classes are not to be seen: the parent is the JDK. */
    static Loader make(Settings s) throws MalformedURLException {
        List<URL> urls = new ArrayList<>();
        urls.add(new File(s.task + "/").toURI().toURL());
        addJars(new File(s.task, "lib"), urls);
        addJars(new File(s.opt, "java/lib"), urls);
        urls.add(new File(s.runtime, "core.jar").toURI().toURL());
        return new Loader(urls.toArray(new URL[0]));
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
