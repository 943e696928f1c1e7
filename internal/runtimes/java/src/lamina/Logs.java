package lamina;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;

/** What LambdaLogger writes, in AWS's two formats. */
final class Logs {
    private static final DateTimeFormatter STAMP = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);
    private static final List<String> LEVELS = List.of("UNDEFINED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");

    private final boolean json;
    private final int least;

    Logs(Settings settings) {
        json = settings.jsonLogs;
        least = settings.logLevel == null ? 0 : Math.max(LEVELS.indexOf(settings.logLevel.toUpperCase()), 0);
    }

    /** A message without a level is always shown. */
    private boolean shown(String level) {
        int i = LEVELS.indexOf(level);
        return i <= 0 || i >= least;
    }

    /** The invocation is the one that the message belongs to; null: this thread's, if any. */
    void log(String message, String level, Invocation of) {
        if (shown(level)) {
            Invocation invocation = of != null ? of : current();
            byte[] line = json ? jsonLine(String.valueOf(message), level, invocation) : textLine(String.valueOf(message), level);
            Output.OUT.send(line, 0, line.length);
        }
    }

    private static Invocation current() {
        return Thread.currentThread() instanceof Worker w ? w.running : null;
    }

    /** A line of the process's output as an event, whatever level is to be shown. */
    void wrap(String line, Output to) {
        byte[] event = jsonLine(line, "INFO", current());
        to.send(event, 0, event.length);
    }

    /** Bytes are not formatted, as on AWS. */
    void log(byte[] message, String level) {
        if (shown(level)) {
            byte[] line = ended(message == null ? "null".getBytes(StandardCharsets.UTF_8) : message);
            Output.OUT.send(line, 0, line.length);
        }
    }

    void error(String report) {
        log(report, json ? "ERROR" : "UNDEFINED", null);
    }

    private static byte[] jsonLine(String message, String level, Invocation invocation) {
        JsonOut out = new JsonOut(256);
        out.raw('{').string("timestamp").raw(':').string(STAMP.format(Instant.now()));
        out.raw(',').string("message").raw(':').string(message);
        out.raw(',').string("level").raw(':').string(level);
        if (invocation != null) {
            out.raw(',').string("AWSRequestId").raw(':').string(invocation.requestId);
            if (invocation.tenantId != null) {
                out.raw(',').string("tenantId").raw(':').string(invocation.tenantId);
            }
        }
        return out.raw('}').raw('\n').bytes();
    }

    /**
     * One event, which each line of the output is: a line's end within it is a byte that no
     * UTF-8 has, of which the agent makes a line's end again.
     */
    private static byte[] textLine(String message, String level) {
        String text = level.equals("UNDEFINED") ? message : "[" + level + "] " + message;
        byte[] line = (text.stripTrailing() + "\n").getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < line.length - 1; i++) {
            if (line[i] == '\n') {
                line[i] = (byte) 0xff;
            }
        }
        return line;
    }

    private static byte[] ended(byte[] message) {
        if (message.length > 0 && message[message.length - 1] == '\n') {
            return message;
        }
        byte[] line = java.util.Arrays.copyOf(message, message.length + 1);
        line[message.length] = '\n';
        return line;
    }
}
