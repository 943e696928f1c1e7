package lamina;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.TimeZone;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What `lamina check` wants to know of the function: which static fields, fields of the handler object and
 * settings of the JVM requests leave changed. Loaded only where LAMINA_CHECK is set; it reports facts and judges nothing.
 */
final class Watch implements Handler {
    private static final int MAX_RECORD = 4096; // bytes: what a pipe keeps whole

    private final Handler handler;
    private final FunctionLoader.Loader loader;
    private final Object instance; // the handler object; null for a static method
    private final Snapshot snapshot;
    private final OutputStream out;
    private final String settings;
    private final List<String> names = new ArrayList<>(); // of the package's classes

    // Guarded by this.
    private final Map<String, Snapshot.Value> kept = new HashMap<>();
    private final Set<Long> threads = new HashSet<>();
    private Map<String, String> process;

    Watch(Handler handler, FunctionLoader.Loader loader, Object instance, File task, String settings) throws IOException {
        this.handler = handler;
        this.loader = loader;
        this.instance = instance;
        this.settings = settings;
        snapshot = new Snapshot(loader);
        out = new FileOutputStream(setting("out", ""), true);
        find(task, "");
        look("");
        process = process();
        newThreads();
    }

    @Override
    public void handle(Invocation inv, JsonOut answer) throws Throwable {
        begin(inv.requestId);
        try {
            handler.handle(inv, answer);
        } finally {
            end(inv.requestId);
        }
    }

    private void begin(String id) throws InterruptedException {
        put(id, "start", null, null);
        SplittableRandom random = new SplittableRandom((setting("seed", "0") + " " + id).hashCode()); // mixes seeds that are alike
        if (random.nextDouble() < Math.min(Double.parseDouble(setting("pause", "0")) * 4, 1)) { // a call stands for some lines
            long ms = random.nextInt(Math.max(Integer.parseInt(setting("pauseMaxMs", "5")), 1)) + 1;
            Thread.sleep(ms);
            put(id, "pause", null, "{\"ms\":" + ms + "}");
        }
    }

    private void end(String id) {
        try {
            synchronized (this) {
                look(id);
                compareProcess(id);
                for (String name : newThreads()) {
                    put(id, "thread-left", name, null);
                }
            }
        } catch (RuntimeException | LinkageError e) {
            put(id, "watch-failed", e.toString(), null);
        }
        put(id, "end", null, null);
    }

    /** The names of the package's own classes; jars beside it are others'. */
    private void find(File dir, String prefix) {
        File[] files = dir.listFiles();
        for (File f : files == null ? new File[0] : files) {
            if (f.isDirectory()) {
                find(f, prefix + f.getName() + ".");
            } else if (f.getName().endsWith(".class")) {
                names.add(prefix + f.getName().substring(0, f.getName().length() - ".class".length()));
            }
        }
    }

    /** Compares all fields with what they were at the last look; with "" as id only keeps them. */
    private void look(String id) {
        for (String name : names) {
            Class<?> c = loader.loaded(name);
            if (c != null) {
                fields(id, c, null, "class-write");
            }
        }
        for (Class<?> c = instance == null ? null : instance.getClass(); c != null && c.getClassLoader() == loader; c = c.getSuperclass()) {
            fields(id, c, instance, "global-write");
        }
    }

    private void fields(String id, Class<?> c, Object object, String kind) {
        for (Field f : c.getDeclaredFields()) {
            boolean constant = Modifier.isFinal(f.getModifiers()) && (f.getType().isPrimitive() || f.getType() == String.class);
            if (Modifier.isStatic(f.getModifiers()) != (object == null) || constant || f.isSynthetic()) {
                continue;
            }
            try {
                f.setAccessible(true);
                field(id, c.getName() + "." + f.getName(), f.get(object), kind);
            } catch (IllegalAccessException | RuntimeException e) {
                // another thread is at it, or it is not to be seen
            }
        }
    }

    private void field(String id, String name, Object value, String kind) {
        Snapshot.Value before = kept.get(name);
        Snapshot.Value now = snapshot.of(value);
        kept.put(name, now);
        if (before == null || id.isEmpty()) {
            return;
        }
        Snapshot.Change change = Snapshot.compare(name, before, now);
        if (change != null) {
            put(id, kind, change.name, change.detail());
        }
    }

    private static Map<String, String> process() {
        Map<String, String> all = new LinkedHashMap<>();
        for (String name : System.getProperties().stringPropertyNames()) {
            all.put("env-write " + name, System.getProperty(name));
        }
        all.remove("env-write " + Worker.TRACE_PROPERTY);
        all.put("locale default locale", Locale.getDefault().toLanguageTag());
        all.put("process-other default time zone", TimeZone.getDefault().getID());
        return all;
    }

    private void compareProcess(String id) {
        Map<String, String> now = process();
        if (now.equals(process)) {
            return;
        }
        for (Map.Entry<String, String> e : now.entrySet()) {
            String before = process.get(e.getKey());
            if (!e.getValue().equals(before)) {
                int space = e.getKey().indexOf(' ');
                put(id, e.getKey().substring(0, space), e.getKey().substring(space + 1), Snapshot.detail("bind", before, e.getValue()));
            }
        }
        process = now;
    }

    /** Names of the threads that there were not at the last look. */
    private List<String> newThreads() {
        ThreadGroup group = Thread.currentThread().getThreadGroup();
        Thread[] all = new Thread[group.activeCount() + 16];
        List<String> fresh = new ArrayList<>();
        Set<Long> ids = new HashSet<>();
        for (int i = group.enumerate(all) - 1; i >= 0; i--) {
            ids.add(all[i].getId());
            if (!threads.contains(all[i].getId()) && !(all[i] instanceof Worker)) {
                fresh.add(all[i].getName());
            }
        }
        threads.clear();
        threads.addAll(ids);
        return fresh;
    }

    private void put(String id, String kind, String name, String detail) {
        Instant t = Instant.now();
        String record = "{\"t\":" + t.getEpochSecond() + String.format("%09d", t.getNano()) + ",\"pid\":" + ProcessHandle.current().pid()
                + ",\"worker\":" + Thread.currentThread().getId() + ",\"requestId\":" + Snapshot.quote(id) + ",\"kind\":" + Snapshot.quote(kind)
                + (name == null ? "" : ",\"name\":" + Snapshot.quote(name));
        byte[] data = (record + (detail == null ? "" : ",\"detail\":" + detail) + "}\n").getBytes(StandardCharsets.UTF_8);
        if (data.length > MAX_RECORD) {
            data = (record + "}\n").getBytes(StandardCharsets.UTF_8);
        }
        try {
            out.write(data);
        } catch (IOException e) {
            // nobody listens any more
        }
    }

    /** One of the engine's settings, which are flat JSON. */
    private String setting(String name, String otherwise) {
        Matcher m = Pattern.compile("\"" + name + "\"\\s*:\\s*(?:\"([^\"]*)\"|([-+.\\w]+))").matcher(settings);
        if (!m.find()) {
            return otherwise;
        }
        return m.group(1) != null ? m.group(1) : m.group(2);
    }
}
