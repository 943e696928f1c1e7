package lamina;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.Consumer;

/** The process's output in whole lines, whichever thread writes; with JSON logs on Managed Instances, each with its invocation. */
final class Output extends OutputStream {
    static final Output OUT = new Output(FileDescriptor.out);
    static final Output ERR = new Output(FileDescriptor.err);

    /** A longer line goes out in pieces (CloudWatch cuts events at 256 KiB). */
    private static final int MAX_LINE = 240 << 10;

    private final FileOutputStream file;
    private final Line others = new Line(); // of the threads that are not ours
    private Logs wrap; // makes events of lines; null: they stay as they are

    private Output(FileDescriptor fd) {
        file = new FileOutputStream(fd);
    }

    static void install(Logs wrap) {
        OUT.wrap = wrap;
        ERR.wrap = wrap;
        System.setOut(new PrintStream(OUT, false, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(ERR, false, StandardCharsets.UTF_8));
        Runtime.getRuntime().addShutdownHook(new Thread(Output::finish, "output"));
    }

    /** Ends the lines that this thread has begun. */
    static void finish() {
        OUT.line(line -> OUT.end(line));
        ERR.line(line -> ERR.end(line));
    }

    /** A line that was begun. */
    static final class Line {
        byte[] text = Client.EMPTY;
        int length;
    }

    private void line(Consumer<Line> use) {
        if (Thread.currentThread() instanceof Worker w) {
            use.accept(this == OUT ? w.out : w.err);
            return;
        }
        synchronized (others) {
            use.accept(others);
        }
    }

    @Override
    public void write(int b) {
        write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] data, int from, int n) {
        line(line -> add(line, data, from, from + n));
    }

    private void add(Line line, byte[] data, int from, int end) {
        if (wrap == null) { // all whole lines at once
            int last = end;
            while (last > from && data[last - 1] != '\n') {
                last--;
            }
            if (last > from) {
                append(line, data, from, last);
                send(line.text, 0, line.length);
                line.length = 0;
            }
            append(line, data, last, end);
            return;
        }
        for (int i = from; i < end; i++) {
            if (data[i] == '\n') {
                append(line, data, from, i);
                end(line);
                from = i + 1;
            }
        }
        append(line, data, from, end);
    }

    private void append(Line line, byte[] data, int from, int end) {
        while (wrap != null && line.length + end - from > MAX_LINE) { // in pieces of that size
            int n = MAX_LINE - line.length;
            copy(line, data, from, n);
            end(line);
            from += n;
        }
        copy(line, data, from, end - from);
        if (wrap == null && line.length > MAX_LINE) {
            send(line.text, 0, line.length);
            line.length = 0;
        }
    }

    private static void copy(Line line, byte[] data, int from, int n) {
        if (line.length + n > line.text.length) {
            line.text = Arrays.copyOf(line.text, Math.max(256, Integer.highestOneBit(line.length + n) * 2));
        }
        System.arraycopy(data, from, line.text, line.length, n);
        line.length += n;
    }

    /** Writes what has been begun, as a line. */
    private void end(Line line) {
        if (line.length == 0) {
            return;
        }
        if (wrap != null && !(line.text[0] == '{' && line.text[line.length - 1] == '}')) {
            wrap.wrap(new String(line.text, 0, line.length, StandardCharsets.UTF_8), this);
        } else {
            copy(line, new byte[] {'\n'}, 0, 1);
            send(line.text, 0, line.length);
        }
        line.length = 0;
        if (line.text.length > MAX_LINE) {
            line.text = Client.EMPTY;
        }
    }

    /** Writes at once what ends with a line's end, apart from all else. */
    synchronized void send(byte[] data, int from, int n) {
        try {
            file.write(data, from, n);
        } catch (IOException e) {
            return; // nobody reads any more, and there is no other place to say so
        }
    }
}
