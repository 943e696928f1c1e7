package lamina;

import java.lang.reflect.Array;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Year;
import java.util.Base64;
import java.util.Calendar;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.TimeZone;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import java.util.stream.BaseStream;

/** Writers of JSON for each kind of class. */
final class Writers {
    private static final Map<Class<?>, Function<Object, Object>> HELD = Map.of(
            Optional.class, v -> ((Optional<?>) v).orElse(null),
            OptionalInt.class, v -> ((OptionalInt) v).isPresent() ? ((OptionalInt) v).getAsInt() : null,
            OptionalLong.class, v -> ((OptionalLong) v).isPresent() ? ((OptionalLong) v).getAsLong() : null,
            OptionalDouble.class, v -> ((OptionalDouble) v).isPresent() ? ((OptionalDouble) v).getAsDouble() : null,
            AtomicBoolean.class, v -> ((AtomicBoolean) v).get(),
            AtomicReference.class, v -> ((AtomicReference<?>) v).get(),
            Class.class, v -> ((Class<?>) v).getName(),
            Year.class, v -> ((Year) v).getValue());

    private Writers() {
    }

    static Codec.Out of(Class<?> c, Mapper mapper) {
        if (Number.class.isAssignableFrom(c)) {
            return number(c);
        }
        if (CharSequence.class.isAssignableFrom(c) || c == Character.class || c.isPrimitive() || isText(c)) {
            return (v, out) -> out.string(v.toString());
        }
        if (Enum.class.isAssignableFrom(c)) {
            return (v, out) -> out.string(((Enum<?>) v).name());
        }
        if (Map.class.isAssignableFrom(c)) {
            return (v, out) -> map((Map<?, ?>) v, out, mapper);
        }
        if (Iterable.class.isAssignableFrom(c) && !java.nio.file.Path.class.isAssignableFrom(c)) {
            return (v, out) -> all(((Iterable<?>) v).iterator(), out, mapper);
        }
        if (Iterator.class.isAssignableFrom(c)) {
            return (v, out) -> all((Iterator<?>) v, out, mapper);
        }
        if (c.isArray()) {
            return array(c, mapper);
        }
        return other(c, mapper);
    }

    private static Codec.Out other(Class<?> c, Mapper mapper) {
        Function<Object, Object> held = held(c);
        if (held != null) {
            return (v, out) -> mapper.write(held.apply(v), out);
        }
        if (BaseStream.class.isAssignableFrom(c)) {
            return (v, out) -> {
                try (BaseStream<?, ?> stream = (BaseStream<?, ?>) v) {
                    all(stream.iterator(), out, mapper);
                }
            };
        }
        if (Map.Entry.class.isAssignableFrom(c)) {
            return (v, out) -> {
                entry('{', (Map.Entry<?, ?>) v, out, mapper);
                out.raw('}');
            };
        }
        if (ByteBuffer.class.isAssignableFrom(c)) {
            return (v, out) -> {
                ByteBuffer b = ((ByteBuffer) v).duplicate();
                byte[] bytes = new byte[b.remaining()];
                b.get(bytes);
                out.string(Base64.getEncoder().encodeToString(bytes));
            };
        }
        Codec.Out time = Times.writer(c);
        return time != null ? time : Bean.writer(c, mapper);
    }

    /** What is written in place of a value that only holds or names another; null: the class is none such. */
    private static Function<Object, Object> held(Class<?> c) {
        if (Calendar.class.isAssignableFrom(c)) {
            return v -> ((Calendar) v).getTimeInMillis();
        }
        return TimeZone.class.isAssignableFrom(c) ? v -> ((TimeZone) v).getID() : HELD.get(c);
    }

    /** Classes whose text says it all. */
    private static boolean isText(Class<?> c) {
        return c == java.util.UUID.class || c == java.net.URI.class || c == java.net.URL.class || c == java.util.Locale.class || c == java.util.Currency.class
                || java.nio.file.Path.class.isAssignableFrom(c) || java.io.File.class.isAssignableFrom(c) || java.time.ZoneId.class.isAssignableFrom(c)
                || java.nio.charset.Charset.class.isAssignableFrom(c) || c == java.time.Period.class;
    }

    private static Codec.Out number(Class<?> c) {
        if (c == Double.class || c == Float.class) {
            return (v, out) -> {
                if (Double.isFinite(((Number) v).doubleValue())) {
                    out.ascii(v.toString());
                } else {
                    out.string(v.toString()); // AWS's setting
                }
            };
        }
        boolean whole = c == Long.class || c == Short.class || c == Byte.class;
        if (whole) {
            return (v, out) -> out.number(((Number) v).longValue());
        }
        if (c == BigDecimal.class || c == BigInteger.class || c.getName().startsWith("java.util.concurrent.atomic.")) {
            return (v, out) -> out.ascii(v.toString());
        }
        return (v, out) -> out.string(v.toString());
    }

    private static void map(Map<?, ?> m, JsonOut out, Mapper mapper) throws Throwable {
        int separator = '{';
        for (Map.Entry<?, ?> e : m.entrySet()) {
            entry(separator, e, out, mapper);
            separator = ',';
        }
        out.ascii(separator == '{' ? "{}" : "}");
    }

    private static void entry(int separator, Map.Entry<?, ?> e, JsonOut out, Mapper mapper) throws Throwable {
        Object k = e.getKey();
        if (k == null) {
            throw new IllegalArgumentException("Null key for a Map not allowed in JSON (use a converting NullKeySerializer?)");
        }
        out.raw(separator).string(k instanceof Enum<?> c ? c.name() : k.toString()).raw(':');
        mapper.write(e.getValue(), out);
    }

    private static void all(Iterator<?> i, JsonOut out, Mapper mapper) throws Throwable {
        int separator = '[';
        while (i.hasNext()) {
            out.raw(separator);
            mapper.write(i.next(), out);
            separator = ',';
        }
        out.ascii(separator == '[' ? "[]" : "]");
    }

    private static Codec.Out array(Class<?> c, Mapper mapper) {
        if (c == byte[].class) {
            return (v, out) -> out.string(Base64.getEncoder().encodeToString((byte[]) v));
        }
        if (c == char[].class) {
            return (v, out) -> out.string(new String((char[]) v));
        }
        return (v, out) -> {
            out.raw('[');
            for (int i = 0, n = Array.getLength(v); i < n; i++) {
                if (i > 0) {
                    out.raw(',');
                }
                mapper.write(Array.get(v, i), out);
            }
            out.raw(']');
        };
    }
}
