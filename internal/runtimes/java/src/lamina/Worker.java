package lamina;

import java.io.IOError;
import java.io.IOException;

/** One event at a time, on a thread and a connection of its own. */
final class Worker extends Thread {
    /** What the X-Ray SDK reads; of the whole process, so it is for ordinary functions. */
    static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";

    // A lost connection is made again, the first time at once; figures of AWS's client.
    private static final int RETRIES = 5;
    private static final long FIRST_DELAY_MS = 100;

    /** An answer's buffer that grew beyond this is not kept. */
    private static final int KEEP = 1 << 20;

    final Output.Line out = new Output.Line();
    final Output.Line err = new Output.Line();
    volatile Invocation running;
    boolean lost; // the Runtime API is gone

    private final Settings settings;
    private final Core core;
    private final Logs logs;
    private final Handler handler;
    private final Client client;
    private JsonOut answer = new JsonOut(1 << 10);
    private String errorType;
    private boolean broken; // an ordinary function's JVM, by an error of the JVM itself

    Worker(int index, Settings settings, Core core, Logs logs, Handler handler) {
        super("lambda-worker-" + index);
        this.settings = settings;
        this.core = core;
        this.logs = logs;
        this.handler = handler;
        client = new Client(settings.api);
    }

    @Override
    public void run() {
        for (int failures = 0; !broken; failures++) {
            try {
                if (failures > 1) {
                    Thread.sleep(FIRST_DELAY_MS << failures - 2);
                }
                client.poll();
                for (;;) {
                    one(client.readEvent());
                    failures = -1;
                    if (broken) {
                        client.close();
                        return;
                    }
                }
            } catch (IOException | InterruptedException e) {
                close();
                if (failures >= RETRIES) {
                    lost = true;
                    logs.error("thread " + getName() + " ends: " + e + "\n");
                    return;
                }
            }
        }
    }

    private void close() {
        try {
            client.close();
        } catch (IOException e) {
            logs.error("closing a connection to the Runtime API: " + e + "\n");
        }
    }

    private void one(Invocation inv) throws IOException {
        running = inv;
        if (!settings.concurrent()) {
            setTrace(inv.traceId);
        }
        handle(inv);
        Output.finish();
        client.answer(inv, answer.buffer(), answer.length(), errorType, !broken);
        if (answer.capacity() > KEEP) {
            answer = new JsonOut(1 << 10);
        }
        String refusal = client.readAnswer();
        if (refusal != null) {
            logs.error("the answer of request " + inv.requestId + " was " + refusal + "\n");
        }
        running = null;
        if (!client.connected() && !broken) {
            client.poll();
        }
    }

    /** Leaves the answer in its buffer, and the error's type. */
    private void handle(Invocation inv) {
        answer.reset();
        errorType = null;
        try {
            core.tellLog4j(inv.requestId);
            handler.handle(inv, answer);
        } catch (Throwable t) {
            Fault.filter(t);
            errorType = t instanceof Fault ? Fault.BAD_CODE : Fault.USER_EXCEPTION;
            byte[] body = Fault.body(t);
            answer = new JsonOut(body.length).raw(body, 0, body.length);
            // In one thread such an error ends the environment, as on AWS; of several, the others go on.
            broken = !settings.concurrent() && (t instanceof VirtualMachineError || t instanceof IOError);
            logs.error(Fault.report(t));
        } finally {
            Thread.interrupted(); // whatever the function did to its thread
        }
    }

    private static void setTrace(String id) {
        if (id == null) {
            System.clearProperty(TRACE_PROPERTY);
        } else {
            System.setProperty(TRACE_PROPERTY, id);
        }
    }
}
