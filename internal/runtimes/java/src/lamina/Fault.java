package lamina;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/** What is wrong with the function's code: an error with AWS's words, which carries no stack trace to the caller. */
final class Fault extends RuntimeException {
    /** The types that the Runtime API gets. */
    static final String BAD_CODE = "Runtime.BadFunctionCode";
    static final String USER_EXCEPTION = "Runtime.UserException";

    private static final long serialVersionUID = 1;
    private static final String OWN = Fault.class.getPackageName() + ".";

    final String type; // may be null
    final String trace; // may be null

    Fault(String message) {
        this(message, null);
    }

    /** A fault that cause shows. */
    Fault(String message, Throwable cause) {
        super(message, null, false, false);
        type = cause == null ? null : cause.getClass().getName();
        trace = cause == null ? null : trace(cause);
    }

    static Fault of(Throwable t) {
        return new Fault(message(t), t);
    }

    static String message(Throwable t) {
        String m = t.getLocalizedMessage();
        return m == null ? t.getClass().getName() : m;
    }

    /** The log's words. */
    String report() {
        return type == null ? getMessage() + "\n" : report(getMessage(), type, trace);
    }

    static String report(Throwable t) {
        return t instanceof Fault f ? f.report() : report(message(t), t.getClass().getName(), trace(t));
    }

    private static String report(String message, String type, String trace) {
        return message + ": " + type + "\n" + trace + "\n";
    }

    byte[] body() {
        return body(this);
    }

    /** The caller's words. */
    static byte[] body(Throwable t) {
        JsonOut out = new JsonOut(512);
        out.raw('{').string("errorMessage").raw(':').string(message(t));
        String type = t instanceof Fault f ? f.type : t.getClass().getName();
        if (type != null) {
            out.raw(',').string("errorType").raw(':').string(type);
        }
        if (!(t instanceof Fault)) {
            out.raw(',').string("stackTrace").raw(':').raw('[');
            StackTraceElement[] frames = t.getStackTrace();
            for (int i = 0; i < frames.length; i++) {
                if (i > 0) {
                    out.raw(',');
                }
                out.string(frames[i].toString());
            }
            out.raw(']');
        }
        return out.raw('}').bytes();
    }

    private static String trace(Throwable t) {
        StringWriter text = new StringWriter();
        filter(t).printStackTrace(new PrintWriter(text));
        return text.toString();
    }

    /** Removes what is the bootstrap's from stack traces, and what called it. */
    static <T extends Throwable> T filter(T t) {
        filter(t, Collections.newSetFromMap(new IdentityHashMap<>()));
        return t;
    }

    private static void filter(Throwable t, Set<Throwable> seen) {
        if (t == null || !seen.add(t)) {
            return;
        }
        StackTraceElement[] frames = t.getStackTrace();
        int n = 0;
        while (n < frames.length && !frames[n].getClassName().startsWith(OWN)) {
            n++;
        }
        // Reflection's frames between the handler and the bootstrap.
        while (n > 0 && n < frames.length && (frames[n - 1].getClassName().startsWith("jdk.internal.reflect.")
                || frames[n - 1].getClassName().startsWith("java.lang.reflect.") || frames[n - 1].getClassName().startsWith("java.lang.invoke."))) {
            n--;
        }
        if (n < frames.length) {
            t.setStackTrace(java.util.Arrays.copyOf(frames, n));
        }
        filter(t.getCause(), seen);
        for (Throwable s : t.getSuppressed()) {
            filter(s, seen);
        }
    }
}
