package lamina;

import java.math.BigDecimal;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Dates and times as AWS's runtime reads and writes them: texts, numbers of seconds, lists of parts. */
final class Times {
    /** Milliseconds since 1970 reached this in 1973; fewer are seconds, as Kinesis and others of AWS's events have them. */
    private static final double LEAST_MILLIS = 1e11;

    private static final Map<Class<?>, Function<Object, Object>> READERS = Map.of(
            Instant.class, Times::instant,
            OffsetDateTime.class, v -> v instanceof String s ? OffsetDateTime.parse(s) : instant(v).atOffset(ZoneOffset.UTC),
            ZonedDateTime.class, v -> v instanceof String s ? ZonedDateTime.parse(s) : instant(v).atZone(ZoneOffset.UTC),
            LocalDate.class, v -> v instanceof String s ? LocalDate.parse(s) : LocalDate.of(part(v, 0), part(v, 1), part(v, 2)),
            LocalTime.class, v -> v instanceof String s ? LocalTime.parse(s) : LocalTime.of(part(v, 0), part(v, 1), part(v, 2), part(v, 3)),
            LocalDateTime.class, v -> v instanceof String s ? LocalDateTime.parse(s)
                    : LocalDateTime.of(part(v, 0), part(v, 1), part(v, 2), part(v, 3), part(v, 4), part(v, 5), part(v, 6)),
            Duration.class, v -> v instanceof String s ? Duration.parse(s) : Duration.ofSeconds(decimal(v).longValue(), nanos(decimal(v))),
            Date.class, Times::date);

    private Times() {
    }

    /** Reads what JSON has; null: the class is no time. */
    static Function<Object, Object> reader(Class<?> c) {
        if (c.getName().equals("org.joda.time.DateTime")) {
            return v -> joda(c, v);
        }
        return READERS.get(c);
    }

    /** Writes a time; null: the class is none. */
    static Codec.Out writer(Class<?> c) {
        if (Date.class.isAssignableFrom(c)) {
            return (v, out) -> out.number(((Date) v).getTime());
        }
        if (c == Instant.class) {
            return (v, out) -> seconds(((Instant) v).getEpochSecond(), ((Instant) v).getNano(), out);
        }
        if (c == OffsetDateTime.class) {
            return (v, out) -> seconds(((OffsetDateTime) v).toEpochSecond(), ((OffsetDateTime) v).getNano(), out);
        }
        if (c == ZonedDateTime.class) {
            return (v, out) -> seconds(((ZonedDateTime) v).toEpochSecond(), ((ZonedDateTime) v).getNano(), out);
        }
        if (c == Duration.class) {
            return (v, out) -> seconds(((Duration) v).getSeconds(), ((Duration) v).getNano(), out);
        }
        if (c == LocalDate.class) {
            return (v, out) -> parts(out, date((LocalDate) v));
        }
        if (c == LocalTime.class) {
            return (v, out) -> parts(out, time((LocalTime) v));
        }
        if (c == LocalDateTime.class) {
            return (v, out) -> parts(out, date(((LocalDateTime) v).toLocalDate()) + "," + time(((LocalDateTime) v).toLocalTime()));
        }
        return c.getName().equals("org.joda.time.DateTime") ? (v, out) -> out.string(v.toString()) : null;
    }

    private static Instant instant(Object v) {
        if (v instanceof String s) {
            return s.endsWith("Z") ? Instant.parse(s) : OffsetDateTime.parse(s).toInstant();
        }
        return Instant.ofEpochSecond(decimal(v).longValue(), nanos(decimal(v)));
    }

    private static Object date(Object v) {
        if (v instanceof String) {
            return Date.from(instant(v));
        }
        double n = ((Number) v).doubleValue();
        return new Date((long) (v instanceof Double && n < LEAST_MILLIS ? n * 1000 : n));
    }

    private static Object joda(Class<?> c, Object v) {
        try {
            return c.getMethod("parse", String.class).invoke(null, v instanceof String s ? s : Instant.ofEpochMilli(((Number) v).longValue()).toString());
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException("reading a time", e);
        }
    }

    private static BigDecimal decimal(Object v) {
        return new BigDecimal(v.toString());
    }

    private static long nanos(BigDecimal seconds) {
        return seconds.remainder(BigDecimal.ONE).movePointRight(9).longValue();
    }

    private static int part(Object list, int n) {
        List<?> l = (List<?>) list;
        return n < l.size() ? ((Number) l.get(n)).intValue() : 0;
    }

    private static void seconds(long seconds, int nanos, JsonOut out) {
        out.number(seconds).raw('.').ascii(String.format("%09d", nanos));
    }

    private static void parts(JsonOut out, String parts) {
        out.raw('[').ascii(parts).raw(']');
    }

    private static String date(LocalDate d) {
        return d.getYear() + "," + d.getMonthValue() + "," + d.getDayOfMonth();
    }

    private static String time(LocalTime t) {
        String s = t.getHour() + "," + t.getMinute();
        return t.getSecond() == 0 && t.getNano() == 0 ? s : s + "," + t.getSecond() + (t.getNano() == 0 ? "" : "," + t.getNano());
    }
}
