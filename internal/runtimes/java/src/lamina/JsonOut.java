package lamina;

import java.io.OutputStream;
import java.util.Arrays;

/** JSON text being written; also the stream of those handlers that write themselves. */
final class JsonOut extends OutputStream {
    private static final byte[] HEX = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'};

    private byte[] text;
    private int length;

    JsonOut(int capacity) {
        text = new byte[capacity];
    }

    void reset() {
        length = 0;
    }

    int length() {
        return length;
    }

    int capacity() {
        return text.length;
    }

    /** The text so far, and more: see length. */
    byte[] buffer() {
        return text;
    }

    byte[] bytes() {
        return Arrays.copyOf(text, length);
    }

    private void room(int n) {
        if (text.length - length < n) {
            text = Arrays.copyOf(text, Math.max(2 * text.length, Math.addExact(length, n)));
        }
    }

    @Override
    public void write(int b) {
        raw(b);
    }

    @Override
    public void write(byte[] data, int from, int n) {
        java.util.Objects.checkFromIndexSize(from, n, data.length);
        raw(data, from, n);
    }

    JsonOut raw(int b) {
        room(1);
        text[length++] = (byte) b;
        return this;
    }

    JsonOut raw(byte[] data, int from, int n) {
        room(n);
        System.arraycopy(data, from, text, length, n);
        length += n;
        return this;
    }

    /** Characters below 256, as they are. */
    @SuppressWarnings("deprecation") // the quick way for what is known to be such
    JsonOut ascii(String s) {
        int n = s.length();
        room(n);
        s.getBytes(0, n, text, length);
        length += n;
        return this;
    }

    JsonOut number(long n) {
        return n >= 0 && n < 10 ? raw((int) ('0' + n)) : ascii(Long.toString(n));
    }

    /** A string in quotes. */
    JsonOut string(CharSequence s) {
        int n = s.length();
        room(n + 2);
        raw('"');
        for (int i = 0; i < n; i++) {
            char c = s.charAt(i);
            if (c >= ' ' && c < 0x7f && c != '"' && c != '\\') {
                raw(c);
            } else if (Character.isHighSurrogate(c) && i + 1 < n && Character.isLowSurrogate(s.charAt(i + 1))) {
                i++;
                four(Character.toCodePoint(c, s.charAt(i)));
            } else {
                other(c);
            }
        }
        return raw('"');
    }

    private void four(int p) {
        raw(0xf0 | p >> 18).raw(0x80 | p >> 12 & 0x3f).raw(0x80 | p >> 6 & 0x3f).raw(0x80 | p & 0x3f);
    }

    private void other(char c) {
        switch (c) {
            case '"', '\\' -> raw('\\').raw(c);
            case '\n' -> raw('\\').raw('n');
            case '\r' -> raw('\\').raw('r');
            case '\t' -> raw('\\').raw('t');
            case '\b' -> raw('\\').raw('b');
            case '\f' -> raw('\\').raw('f');
            default -> {
                if (c < ' ' || Character.isSurrogate(c)) { // a surrogate alone is no character
                    raw('\\').raw('u').raw(HEX[c >> 12]).raw(HEX[c >> 8 & 15]).raw(HEX[c >> 4 & 15]).raw(HEX[c & 15]);
                } else if (c < 0x80) {
                    raw(c);
                } else if (c < 0x800) {
                    raw(0xc0 | c >> 6).raw(0x80 | c & 0x3f);
                } else {
                    raw(0xe0 | c >> 12).raw(0x80 | c >> 6 & 0x3f).raw(0x80 | c & 0x3f);
                }
            }
        }
    }
}
