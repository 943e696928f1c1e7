package lamina;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.function.BiFunction;
import java.util.function.Function;

/** Readers of JSON for each kind of type. */
final class Readers {
    private static final Map<Class<?>, Codec.In> SCALARS = scalars();

    /** What the interfaces of collections become. */
    private static final Map<Class<?>, Class<?>> MADE = Map.ofEntries(
            Map.entry(Collection.class, ArrayList.class), Map.entry(List.class, ArrayList.class), Map.entry(Iterable.class, ArrayList.class),
            Map.entry(Set.class, HashSet.class), Map.entry(SortedSet.class, TreeSet.class), Map.entry(NavigableSet.class, TreeSet.class),
            Map.entry(Queue.class, ArrayDeque.class), Map.entry(Deque.class, ArrayDeque.class), Map.entry(Map.class, LinkedHashMap.class),
            Map.entry(SortedMap.class, TreeMap.class), Map.entry(NavigableMap.class, TreeMap.class), Map.entry(ConcurrentMap.class, ConcurrentHashMap.class));

    private Readers() {
    }

    static Codec.In of(Type type, Mapper mapper) {
        Class<?> c = Types.raw(type);
        if (c == Object.class || c == java.io.Serializable.class) {
            return JsonIn::any;
        }
        Codec.In scalar = SCALARS.get(c);
        if (scalar != null) {
            return scalar;
        }
        if (c.isArray()) {
            return array(c, mapper.reader(Types.resolvedComponent(type)));
        }
        if (c == Optional.class) {
            return optional(mapper.reader(Types.argumentsOf(type, Optional.class)[0]));
        }
        if (c == Iterable.class || Collection.class.isAssignableFrom(c)) {
            return collection(maker(c), mapper.reader(Types.argumentsOf(type, Iterable.class)[0]));
        }
        if (Map.class.isAssignableFrom(c)) {
            Type[] args = Types.argumentsOf(type, Map.class);
            return map(maker(c), key(Types.raw(args[0])), mapper.reader(args[1]));
        }
        Function<Object, Object> time = Times.reader(c);
        if (time != null) {
            return in -> time.apply(in.any());
        }
        return unwrapped(c.isEnum() ? in -> constantOrOrdinal(c, text(in).trim()) : Bean.reader(type, c, mapper));
    }

    /** A constant by its name or its number, as on AWS. */
    private static Object constantOrOrdinal(Class<?> c, String s) {
        Object named = constant(c, s);
        Object[] all = c.getEnumConstants();
        if (named != null || !s.matches("0|[1-9][0-9]{0,8}")) {
            return named;
        }
        int n = Integer.parseInt(s);
        return n < all.length ? all[n] : null;
    }

    private static Object constant(Class<?> c, String name) {
        for (Object o : c.getEnumConstants()) {
            if (((Enum<?>) o).name().equals(name)) {
                return o;
            }
        }
        return null; // AWS's setting
    }

    private static Map<Class<?>, Codec.In> scalars() {
        Map<Class<?>, Codec.In> all = new java.util.HashMap<>();
        all.put(String.class, unwrapped(Readers::text));
        all.put(CharSequence.class, unwrapped(Readers::text));
        whole(all, int.class, Integer.class, 0, Integer.MIN_VALUE, Integer.MAX_VALUE, n -> n instanceof Integer i ? i : (Object) n.intValue());
        whole(all, long.class, Long.class, 0L, Long.MIN_VALUE, Long.MAX_VALUE, Number::longValue);
        whole(all, short.class, Short.class, (short) 0, Short.MIN_VALUE, Short.MAX_VALUE, Number::shortValue);
        whole(all, byte.class, Byte.class, (byte) 0, Byte.MIN_VALUE, 255, Number::byteValue); // as on AWS, without a sign too
        number(all, double.class, Double.class, 0d, Number::doubleValue, Double::valueOf);
        number(all, float.class, Float.class, 0f, Number::floatValue, Float::valueOf);
        all.put(boolean.class, orElse(unwrapped(in -> bool(in, boolean.class)), false));
        all.put(Boolean.class, unwrapped(in -> bool(in, Boolean.class)));
        all.put(char.class, orElse(unwrapped(Readers::character), '\0'));
        all.put(Character.class, unwrapped(Readers::character));
        all.put(Number.class, unwrapped(in -> in.peek() == '"' ? new BigDecimal(in.string().trim()) : in.number()));
        all.put(BigDecimal.class, unwrapped(in -> new BigDecimal(in.peek() == '"' ? in.string().trim() : in.numberText())));
        all.put(BigInteger.class, unwrapped(in -> new BigDecimal(in.peek() == '"' ? in.string().trim() : in.numberText()).toBigInteger()));
        Codec.In bytes = array(byte[].class, all.get(byte.class));
        all.put(byte[].class, in -> in.peek() == '"' ? Base64.getDecoder().decode(in.string()) : bytes.read(in));
        all.put(ByteBuffer.class, in -> ByteBuffer.wrap(Base64.getDecoder().decode(in.string())));
        all.put(char[].class, in -> in.string().toCharArray());
        all.put(UUID.class, unwrapped(in -> UUID.fromString(in.string())));
        all.put(URI.class, unwrapped(in -> URI.create(in.string())));
        return all;
    }

    /** A type of whole numbers: more than it holds is refused, as on AWS, and what is behind the point is cut off. */
    private static void whole(Map<Class<?>, Codec.In> all, Class<?> primitive, Class<?> boxed, Object zero, long least, long most, Function<Number, Object> of) {
        String name = primitive == int.class || primitive == long.class ? primitive + " (" + least + " - " + most + ")" : "Java " + primitive;
        scalar(all, primitive, boxed, zero, in -> of.apply(inRange(in, in.number(), least, most, name)),
                (in, s) -> of.apply(inRange(in, Long.parseLong(s), least, most, name)));
    }

    private static Number inRange(JsonIn in, Number n, long least, long most, String name) {
        boolean out = n instanceof Double ? n.doubleValue() < least || n.doubleValue() > most : n instanceof BigInteger || n.longValue() < least || n.longValue() > most;
        if (out) {
            throw in.wrong("Numeric value (" + n + ") out of range of " + name);
        }
        return n instanceof Double ? (Number) n.longValue() : n;
    }

    private static void number(Map<Class<?>, Codec.In> all, Class<?> primitive, Class<?> boxed, Object zero, Function<Number, Object> of, Function<String, Object> parse) {
        scalar(all, primitive, boxed, zero, in -> of.apply(in.number()), (in, s) -> parse.apply(s));
    }

    /** A number, or one in a string; an empty string counts as null. */
    private static void scalar(Map<Class<?>, Codec.In> all, Class<?> primitive, Class<?> boxed, Object zero, Codec.In number, BiFunction<JsonIn, String, Object> parse) {
        Codec.In r = unwrapped(in -> {
            if (in.peek() != '"') {
                return number.read(in);
            }
            String s = in.string().trim();
            try {
                return s.isEmpty() ? null : parse.apply(in, s);
            } catch (NumberFormatException e) {
                throw in.wrong("Cannot deserialize value of type `" + primitive + "` from String \"" + s + "\": not a valid `" + primitive + "` value");
            }
        });
        all.put(boxed, r);
        all.put(primitive, orElse(r, zero));
    }

    /** The same with a value for null, and for what counts as null. */
    private static Codec.In orElse(Codec.In r, Object absent) {
        return new Codec.In() {
            @Override
            public Object read(JsonIn in) {
                Object v = r.read(in);
                return v == null ? absent : v;
            }

            @Override
            public Object absent() {
                return absent;
            }
        };
    }

    /** An array of one value counts as that value, as on AWS. */
    private static Codec.In unwrapped(Codec.In r) {
        return new Codec.In() {
            @Override
            public Object read(JsonIn in) {
                if (in.peek() != '[') {
                    return r.read(in);
                }
                in.expect('[');
                if (in.take(']')) {
                    return absent();
                }
                Object v = in.takeNull() ? absent() : r.read(in);
                in.expect(']');
                return v;
            }

            @Override
            public Object absent() {
                return r.absent();
            }
        };
    }

    /** Strings; and numbers and booleans as their text. */
    private static String text(JsonIn in) {
        switch (in.peek()) {
            case '"':
                return in.string();
            case '{':
                throw in.wrong("Cannot deserialize value of type `java.lang.String` from Object value");
            case '[':
                throw in.wrong("Cannot deserialize value of type `java.lang.String` from Array value");
            case 't', 'f':
                return String.valueOf(in.bool());
            default:
                return in.numberText();
        }
    }

    private static Object bool(JsonIn in, Class<?> c) {
        switch (in.peek()) {
            case 't', 'f':
                return in.bool();
            case '"':
                return bool(in, c, in.string().trim());
            default:
                Number n = in.number();
                if (n instanceof Double) {
                    throw in.wrong("Cannot deserialize value of type `" + c.getName() + "` from Floating-point value");
                }
                return !n.toString().equals("0");
        }
    }

    private static Object bool(JsonIn in, Class<?> c, String s) {
        return switch (s) {
            case "" -> null;
            case "true", "True", "TRUE" -> true;
            case "false", "False", "FALSE" -> false;
            default -> throw in.wrong("Cannot deserialize value of type `" + c.getName() + "` from String \"" + s + "\": only \"true\" or \"false\" recognized");
        };
    }

    private static Object character(JsonIn in) {
        if (in.peek() != '"') {
            return (char) inRange(in, in.number(), Character.MIN_VALUE, Character.MAX_VALUE, "Java char").intValue();
        }
        String s = in.string();
        if (s.length() > 1) {
            throw in.wrong("Cannot deserialize value of type `char` from String \"" + s + "\"");
        }
        return s.isEmpty() ? null : s.charAt(0);
    }

    private static Codec.In array(Class<?> c, Codec.In element) {
        return in -> {
            List<Object> l = elements(in, element, new ArrayList<>());
            Object a = Array.newInstance(c.getComponentType(), l.size());
            for (int i = 0; i < l.size(); i++) {
                Array.set(a, i, l.get(i));
            }
            return a;
        };
    }

    private static <C extends Collection<Object>> C elements(JsonIn in, Codec.In element, C into) {
        if (in.peek() != '[') { // a value alone counts as an array of it, as on AWS
            into.add(element.read(in));
            return into;
        }
        in.expect('[');
        if (in.take(']')) {
            return into;
        }
        do {
            into.add(element.readOrAbsent(in));
        } while (in.take(','));
        in.expect(']');
        return into;
    }

    @SuppressWarnings("unchecked")
    private static Codec.In collection(Function<JsonIn, Object> make, Codec.In element) {
        return in -> elements(in, element, (Collection<Object>) make.apply(in));
    }

    private static Codec.In optional(Codec.In value) {
        return new Codec.In() {
            @Override
            public Object read(JsonIn in) {
                return Optional.ofNullable(value.read(in));
            }

            @Override
            public Object absent() {
                return Optional.empty();
            }
        };
    }

    @SuppressWarnings("unchecked")
    private static Codec.In map(Function<JsonIn, Object> make, Function<String, Object> key, Codec.In value) {
        return in -> {
            Map<Object, Object> m = (Map<Object, Object>) make.apply(in);
            in.expect('{');
            if (in.take('}')) {
                return m;
            }
            do {
                Object k = key.apply(in.name());
                m.put(k, value.readOrAbsent(in));
            } while (in.take(','));
            in.expect('}');
            return m;
        };
    }

    private static Function<String, Object> key(Class<?> c) {
        if (c.isEnum()) {
            return s -> constant(c, s);
        }
        if (c == Integer.class) {
            return Integer::valueOf;
        }
        if (c == Long.class) {
            return Long::valueOf;
        }
        if (c == UUID.class) {
            return UUID::fromString;
        }
        return s -> s;
    }

    /** Makes an empty one of a collection's class. */
    private static Function<JsonIn, Object> maker(Class<?> c) {
        Class<?> made = MADE.getOrDefault(c, c);
        if (made == ArrayList.class) {
            return in -> new ArrayList<>();
        }
        if (made == LinkedHashMap.class) {
            return in -> new LinkedHashMap<>();
        }
        Constructor<?> constructor = Modifier.isAbstract(made.getModifiers()) ? null : Bean.constructor(made);
        return in -> {
            if (constructor == null) {
                throw in.wrong("Cannot construct instance of `" + made.getName() + "`");
            }
            try {
                return constructor.newInstance();
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException("making a " + made.getName(), e);
            }
        };
    }
}
