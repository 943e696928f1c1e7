package lamina;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.security.Security;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** Runs a Lambda function: loads its handler once and gives it events, one thread for each at a time. */
public final class Main {
    private Main() {
    }

    public static void main(String[] args) throws Exception {
        Settings settings = new Settings();
        setNegativeTtl();
        Logs logs = new Logs(settings);
        Output.install(settings.concurrent() && settings.jsonLogs ? logs : null);
        FunctionLoader.Loader loader = FunctionLoader.make(settings);
        Thread.currentThread().setContextClassLoader(loader);
        Core core = new Core(loader);
        core.setLogger(logs);
        if (!settings.concurrent()) { // several threads: it would be another invocation's
            System.clearProperty(Worker.TRACE_PROPERTY);
        }
        Handler handler;
        try {
            HandlerLoader handlers = new HandlerLoader(core, new Mapper(core));
            handler = handlers.load(settings.handler, loader);
            String check = System.getenv("LAMINA_CHECK");
            if (check != null) {
                handler = new Watch(handler, loader, handlers.instance, new File(settings.task), check);
            }
        } catch (Fault fault) {
            fail(settings, logs, fault);
            return;
        }
        run(settings, core, logs, handler, loader);
    }

    /** For how many seconds a name that was not found stays so: as on AWS 1, not the JDK's 10, unless the function says otherwise in either of AWS's ways. */
    private static void setNegativeTtl() {
        String name = "networkaddress.cache.negative.ttl";
        String own = System.getProperty("java.security.properties");
        if (own != null) {
            Properties all = new Properties();
            try (InputStream in = new FileInputStream(own)) {
                all.load(in);
            } catch (IOException e) {
                all.clear(); // the JDK passes over such a file too
            }
            if (all.containsKey(name)) {
                return;
            }
        }
        String seconds = System.getenv("AWS_LAMBDA_JAVA_NETWORKADDRESS_CACHE_NEGATIVE_TTL");
        Security.setProperty(name, seconds == null ? "1" : seconds);
    }

    private static void fail(Settings settings, Logs logs, Fault fault) {
        logs.error(fault.report());
        Output.finish();
        try (Client client = new Client(settings.api)) {
            client.postInitError(fault.body(), Fault.BAD_CODE);
        } catch (IOException e) {
            logs.error("reporting that the function's init failed: " + e + "\n");
        }
        System.exit(1);
    }

    private static void run(Settings settings, Core core, Logs logs, Handler handler, ClassLoader loader) throws InterruptedException {
        int n = Math.max(settings.concurrency, 1);
        if (settings.concurrent()) {
            logs.log("Starting " + n + " concurrent function handler threads.", "INFO", null);
        }
        List<Worker> workers = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            Worker worker = new Worker(i, settings, core, logs, handler);
            worker.setContextClassLoader(loader);
            workers.add(worker);
        }
        for (Worker worker : workers) {
            worker.start();
        }
        for (Worker worker : workers) {
            worker.join();
        }
        Output.finish();
        // The Runtime API is gone, or an ordinary function's JVM is not to be trusted any more.
        System.exit(workers.stream().anyMatch(w -> w.lost) ? 1 : 0);
    }
}
