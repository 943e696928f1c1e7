package lamina;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.Collection;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.Map;

/** Copies of values, to be compared with later ones. */
final class Snapshot {
    private static final int DEPTH = 4; // how far objects in objects are followed
    private static final int MOST = 100; // elements of a container
    private static final int TEXT = 400; // characters

    private final ClassLoader own; // of the classes whose objects are looked into

    Snapshot(ClassLoader own) {
        this.own = own;
    }

    /** A value as it was: its identity, a text, and what it holds, by name. */
    static final class Value {
        private final Object type;
        private final int identity; // 0 for what is compared by its text
        private final String text;
        private final Map<String, Value> parts; // null: nothing that is looked into
        private final int size;

        Value(Object type, int identity, String text, Map<String, Value> parts, int size) {
            this.type = type;
            this.identity = identity;
            this.text = text;
            this.parts = parts;
            this.size = size;
        }
    }

    /** One difference. */
    static final class Change {
        final String name;
        private final String what;
        private final String before;
        private final String after;

        Change(String name, String what, String before, String after) {
            this.name = name;
            this.what = what;
            this.before = before;
            this.after = after;
        }

        String detail() {
            return Snapshot.detail(what, before, after);
        }
    }

    static String detail(String what, String before, String after) {
        return "{\"what\":\"" + what + "\",\"before\":" + quote(clip(before)) + "," + (what.equals("grow") ? "\"added\":" : "\"after\":") + quote(clip(after)) + "}";
    }

    Value of(Object value) {
        return of(value, DEPTH, new IdentityHashMap<>());
    }

    private Value of(Object value, int depth, Map<Object, Object> seen) {
        if (value == null) {
            return new Value("null", 0, "null", null, 0);
        }
        Class<?> c = value.getClass();
        String type = c.getName();
        boolean plain = value instanceof Number || value instanceof CharSequence || value instanceof Boolean || value instanceof Character || value instanceof Enum
                || type.startsWith("java.time.") || type.startsWith("java.util.concurrent.atomic.") || value instanceof java.util.Date || value instanceof java.util.UUID;
        if (plain) {
            return new Value(type, 0, clip(value.toString()), null, 0);
        }
        int identity = System.identityHashCode(value);
        if (depth == 0 || seen.put(value, value) != null) {
            return new Value(type, identity, "<" + type + ">", null, 0);
        }
        Map<String, Value> parts = new LinkedHashMap<>();
        int size = parts(value, c, parts, depth, seen);
        if (size < 0) {
            return new Value(type, identity, "<" + type + ">", null, 0);
        }
        return new Value(type, identity, text(parts), parts, size);
    }

    /** Puts an object's elements or fields; gives the number of elements, -1 for what is not looked into. */
    private int parts(Object value, Class<?> c, Map<String, Value> parts, int depth, Map<Object, Object> seen) {
        int n = 0;
        if (value instanceof Map) {
            for (Map.Entry<?, ?> e : ((Map<?, ?>) value).entrySet()) {
                if (n++ < MOST) {
                    parts.put("[" + clip(String.valueOf(e.getKey())) + "]", of(e.getValue(), depth - 1, seen));
                }
            }
            return n;
        }
        if (value instanceof Collection) {
            for (Object e : (Collection<?>) value) {
                if (n++ < MOST) {
                    parts.put("[" + (n - 1) + "]", of(e, depth - 1, seen));
                }
            }
            return n;
        }
        if (c.isArray()) {
            for (; n < Math.min(Array.getLength(value), MOST); n++) {
                parts.put("[" + n + "]", of(Array.get(value, n), depth - 1, seen));
            }
            return Array.getLength(value);
        }
        if (c.getClassLoader() != own) {
            return -1;
        }
        for (Class<?> k = c; k != null && k.getClassLoader() == own; k = k.getSuperclass()) {
            for (Field f : k.getDeclaredFields()) {
                if (!Modifier.isStatic(f.getModifiers()) && !f.isSynthetic() && f.trySetAccessible()) {
                    try {
                        parts.put("." + f.getName(), of(f.get(value), depth - 1, seen));
                    } catch (IllegalAccessException e) {
                        // not to be seen
                    }
                }
            }
        }
        return 0;
    }

    /** What has changed from one copy to the next, or null. */
    static Change compare(String name, Value before, Value now) {
        if (before.parts == null || now.parts == null || !before.type.equals(now.type)) {
            boolean same = before.type.equals(now.type) && before.identity == now.identity && before.text.equals(now.text);
            return same ? null : new Change(name, "bind", before.text, now.text);
        }
        StringBuilder added = new StringBuilder();
        for (Map.Entry<String, Value> e : now.parts.entrySet()) {
            Value was = before.parts.get(e.getKey());
            if (was == null) {
                added.append(added.length() == 0 ? "" : ", ").append(e.getKey()).append(": ").append(e.getValue().text);
                continue;
            }
            Change inner = compare(name + e.getKey(), was, e.getValue());
            if (inner != null) {
                String what = before.identity != now.identity ? "bind" : inner.what.equals("bind") ? "key" : inner.what;
                return what.equals("bind") ? new Change(name, what, before.text, now.text) : new Change(inner.name, what, inner.before, inner.after);
            }
        }
        if (added.length() > 0 && now.size > before.size) {
            return new Change(name, "grow", before.text, added.toString());
        }
        return now.size < before.size ? new Change(name, "shrink", before.text, now.text) : null;
    }

    private static String text(Map<String, Value> parts) {
        StringBuilder b = new StringBuilder("{");
        for (Map.Entry<String, Value> e : parts.entrySet()) {
            if (b.length() > TEXT) {
                break;
            }
            b.append(b.length() == 1 ? "" : ", ").append(e.getKey()).append(": ").append(e.getValue().text);
        }
        return clip(b.append('}').toString());
    }

    private static String clip(String text) {
        return text == null ? "undefined" : text.length() <= TEXT ? text : text.substring(0, TEXT - 1) + "…";
    }

    static String quote(String text) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                b.append('\\').append(c);
            } else if (c < ' ' || Character.isSurrogate(c)) {
                b.append(String.format("\\u%04x", (int) c));
            } else {
                b.append(c);
            }
        }
        return b.append('"').toString();
    }
}
