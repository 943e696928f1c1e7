package lamina;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON text being read. */
final class JsonIn {
    private final byte[] text;
    private int at;

    JsonIn(byte[] text) {
        this.text = text;
    }

    /** Says what is wrong, and where. */
    static final class Malformed extends RuntimeException {
        private static final long serialVersionUID = 1;

        Malformed(String message) {
            super(message);
        }
    }

    Malformed wrong(String message) {
        return new Malformed(message + " at byte " + at);
    }

    /** The whole text as one value. */
    Object whole() {
        Object v = any();
        end();
        return v;
    }

    /** Nothing but white space is left. */
    void end() {
        if (peek() >= 0) {
            throw wrong("Unexpected character " + (char) text[at]);
        }
    }

    /** The next character that means something; -1 at the end. */
    int peek() {
        while (at < text.length) {
            byte b = text[at];
            if (b != ' ' && b != '\n' && b != '\r' && b != '\t') {
                return b;
            }
            at++;
        }
        return -1;
    }

    /** Takes the next character if it is c. */
    boolean take(int c) {
        if (peek() != c) {
            return false;
        }
        at++;
        return true;
    }

    void expect(int c) {
        if (!take(c)) {
            throw wrong(at == text.length ? "Unexpected end of input" : "Unexpected character '" + (char) text[at] + "', expected '" + (char) c + "'");
        }
    }

    /** Takes null if it is next. */
    boolean takeNull() {
        if (peek() != 'n') {
            return false;
        }
        word("null");
        return true;
    }

    private void word(String w) {
        for (int i = 0; i < w.length(); i++) {
            if (at >= text.length || text[at] != w.charAt(i)) {
                throw wrong("Unrecognized token, expected '" + w + "'");
            }
            at++;
        }
    }

    /** The next value as Map, List, String, Number, Boolean or null. */
    Object any() {
        switch (peek()) {
            case '{':
                return object();
            case '[':
                return list();
            case '"':
                return string();
            case 't', 'f':
                return bool();
            case 'n':
                word("null");
                return null;
            default:
                return number();
        }
    }

    boolean bool() {
        if (peek() == 't') {
            word("true");
            return true;
        }
        word("false");
        return false;
    }

    private Map<String, Object> object() {
        Map<String, Object> m = new LinkedHashMap<>();
        expect('{');
        if (take('}')) {
            return m;
        }
        do {
            String name = name();
            m.put(name, any());
        } while (take(','));
        expect('}');
        return m;
    }

    /** A member's name and the colon. */
    String name() {
        peek();
        String name = string();
        expect(':');
        return name;
    }

    private List<Object> list() {
        List<Object> l = new ArrayList<>();
        expect('[');
        if (take(']')) {
            return l;
        }
        do {
            l.add(any());
        } while (take(','));
        expect(']');
        return l;
    }

    String string() {
        expect('"');
        int start = at;
        boolean plain = true;
        for (; at < text.length; at++) {
            byte b = text[at];
            if (b == '"') {
                String s = new String(text, start, at - start, plain ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8);
                at++;
                return s;
            }
            if (b == '\\') {
                return escaped(start);
            }
            plain &= b >= 0;
        }
        throw wrong("Unexpected end of input in a string");
    }

    private String escaped(int start) {
        StringBuilder s = new StringBuilder();
        int from = start;
        for (; at < text.length; at++) {
            if (text[at] == '"') {
                s.append(new String(text, from, at - from, StandardCharsets.UTF_8));
                at++;
                return s.toString();
            }
            if (text[at] == '\\') {
                s.append(new String(text, from, at - from, StandardCharsets.UTF_8));
                at++;
                s.append(escape());
                from = at + 1;
            }
        }
        throw wrong("Unexpected end of input in a string");
    }

    /** Leaves the place at the escape's last character. */
    private char escape() {
        if (at >= text.length) {
            throw wrong("Unexpected end of input in a string");
        }
        switch (text[at]) {
            case 'n':
                return '\n';
            case 'r':
                return '\r';
            case 't':
                return '\t';
            case 'b':
                return '\b';
            case 'f':
                return '\f';
            case 'u':
                int c = 0;
                for (int i = 0; i < 4; i++) {
                    at++;
                    int digit = at < text.length ? Character.digit(text[at], 16) : -1;
                    if (digit < 0) {
                        throw wrong("Unrecognized \\u escape");
                    }
                    c = 16 * c + digit;
                }
                return (char) c;
            default:
                return (char) (text[at] & 0xff);
        }
    }

    /** Integer, Long, BigInteger or Double: the first that holds it. */
    Number number() {
        int start = at;
        String s = numberText();
        if (whole(start)) {
            if (s.length() < 19) {
                long n = Long.parseLong(s);
                if (n == (int) n) {
                    return (int) n;
                }
                return n;
            }
            BigInteger n = new BigInteger(s);
            return n.bitLength() < 64 ? (Number) n.longValue() : n;
        }
        return Double.valueOf(s);
    }

    private boolean whole(int start) {
        for (int i = start; i < at; i++) {
            if (text[i] == '.' || text[i] == 'e' || text[i] == 'E') {
                return false;
            }
        }
        return true;
    }

    String numberText() {
        peek();
        int start = at;
        take('-');
        digits();
        if (at < text.length && text[at] == '.') {
            at++;
            digits();
        }
        if (at < text.length && (text[at] == 'e' || text[at] == 'E')) {
            at++;
            if (at < text.length && (text[at] == '+' || text[at] == '-')) {
                at++;
            }
            digits();
        }
        return new String(text, start, at - start, StandardCharsets.ISO_8859_1);
    }

    private void digits() {
        int start = at;
        while (at < text.length && text[at] >= '0' && text[at] <= '9') {
            at++;
        }
        if (at == start) {
            throw wrong(at < text.length ? "Unrecognized token '" + (char) text[at] + "'" : "Unexpected end of input");
        }
    }

    /** Passes over the next value. */
    void skip() {
        any();
    }
}
