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
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.Arrays;
import java.util.Date;
import java.util.List;
import java.util.Locale;
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
            LocalDate.class, v -> v instanceof String s ? LocalDate.parse(s) : date(parts(v, 3, 3)),
            LocalTime.class, v -> v instanceof String s ? LocalTime.parse(s) : time(parts(v, 2, 4), 0),
            LocalDateTime.class, v -> v instanceof String s ? LocalDateTime.parse(s) : dateTime(parts(v, 5, 7)),
            Duration.class, v -> v instanceof String s ? Duration.parse(s) : Duration.ofSeconds(decimal(v).longValue(), nanos(decimal(v))),
            Date.class, Times::date);

    /** Made late: most functions read no Date from a text, and what makes formatters is slow to load. */
    private static final class Texts {
        /** A day, or with a time; an offset in any of ISO 8601's forms, or none, which is UTC. */
        static final DateTimeFormatter DATE = new DateTimeFormatterBuilder().append(DateTimeFormatter.ISO_LOCAL_DATE)
                .optionalStart().appendLiteral('T').append(DateTimeFormatter.ISO_LOCAL_TIME).optionalEnd().appendPattern("[XXX][XX][X]")
                .parseDefaulting(ChronoField.HOUR_OF_DAY, 0).parseDefaulting(ChronoField.OFFSET_SECONDS, 0).toFormatter(Locale.ROOT);
    }

    private Times() {
    }

    /** Reads what JSON has; null: the class is no time. */
    static Function<Object, Object> reader(Class<?> c) {
        if (c.getName().equals("org.joda.time.DateTime")) {
            return v -> joda(c, v);
        }
        Function<Object, Object> of = READERS.get(c);
        return of == null ? null : v -> {
            Object one = v instanceof List<?> l && l.size() < 2 ? l.isEmpty() ? null : l.get(0) : v; // as Readers.unwrapped; longer ones are parts
            return one == null || one instanceof String s && s.isBlank() ? null : of.apply(one instanceof String s ? s.trim() : one);
        };
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
        if (v instanceof String s) {
            return Date.from(OffsetDateTime.parse(s, Texts.DATE).toInstant());
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

    /** The numbers of a list, with zeros up to the most that there may be. */
    private static int[] parts(Object list, int least, int most) {
        if (!(list instanceof List<?> l) || l.size() < least || l.size() > most || !l.stream().allMatch(n -> n instanceof Integer)) {
            throw new IllegalArgumentException("Cannot read a date or time from " + list);
        }
        return Arrays.copyOf(l.stream().mapToInt(n -> (Integer) n).toArray(), most);
    }

    private static LocalDate date(int[] parts) {
        return LocalDate.of(parts[0], parts[1], parts[2]);
    }

    private static LocalTime time(int[] parts, int from) {
        return LocalTime.of(parts[from], parts[from + 1], parts[from + 2], parts[from + 3]);
    }

    private static LocalDateTime dateTime(int[] parts) {
        return LocalDateTime.of(date(parts), time(parts, 3));
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
