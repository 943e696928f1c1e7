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
        return unwrapped(other(type, c, mapper));
    }

    private static Codec.In other(Type type, Class<?> c, Mapper mapper) {
        if (c.isEnum()) {
            return in -> constant(c, text(in));
        }
        Function<Object, Object> time = Times.reader(c);
        if (time != null) {
            return in -> time.apply(in.any());
        }
        return Bean.reader(type, c, mapper);
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
        number(all, int.class, Integer.class, 0, n -> n instanceof Integer i ? i : (Object) n.intValue(), s -> (int) Double.parseDouble(s));
        number(all, long.class, Long.class, 0L, Number::longValue, s -> new BigDecimal(s).longValue());
        number(all, short.class, Short.class, (short) 0, Number::shortValue, s -> (short) Double.parseDouble(s));
        number(all, byte.class, Byte.class, (byte) 0, Number::byteValue, s -> (byte) Double.parseDouble(s));
        number(all, double.class, Double.class, 0d, Number::doubleValue, Double::valueOf);
        number(all, float.class, Float.class, 0f, Number::floatValue, Float::valueOf);
        all.put(boolean.class, orElse(unwrapped(Readers::bool), false));
        all.put(Boolean.class, unwrapped(Readers::bool));
        all.put(char.class, orElse(unwrapped(Readers::character), '\0'));
        all.put(Character.class, unwrapped(Readers::character));
        all.put(Number.class, unwrapped(in -> in.peek() == '"' ? new BigDecimal(in.string().trim()) : in.number()));
        all.put(BigDecimal.class, unwrapped(in -> new BigDecimal(in.peek() == '"' ? in.string().trim() : in.numberText())));
        all.put(BigInteger.class, unwrapped(in -> new BigDecimal(in.peek() == '"' ? in.string().trim() : in.numberText()).toBigInteger()));
        all.put(byte[].class, in -> Base64.getDecoder().decode(in.string()));
        all.put(ByteBuffer.class, in -> ByteBuffer.wrap(Base64.getDecoder().decode(in.string())));
        all.put(char[].class, in -> in.string().toCharArray());
        all.put(UUID.class, unwrapped(in -> UUID.fromString(in.string())));
        all.put(URI.class, unwrapped(in -> URI.create(in.string())));
        return all;
    }

    private static void number(Map<Class<?>, Codec.In> all, Class<?> primitive, Class<?> boxed, Object zero, Function<Number, Object> of, Function<String, Object> parse) {
        Codec.In r = unwrapped(in -> {
            if (in.peek() != '"') {
                return of.apply(in.number());
            }
            String s = in.string().trim();
            return s.isEmpty() ? (primitive == null ? null : zero) : parse.apply(s);
        });
        all.put(boxed, r);
        all.put(primitive, orElse(r, zero));
    }

    /** The same with a value for null. */
    private static Codec.In orElse(Codec.In r, Object absent) {
        return new Codec.In() {
            @Override
            public Object read(JsonIn in) {
                return r.read(in);
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

    private static Object bool(JsonIn in) {
        switch (in.peek()) {
            case 't', 'f':
                return in.bool();
            case '"':
                return in.string().trim().equalsIgnoreCase("true");
            default:
                return in.number().intValue() != 0;
        }
    }

    private static Object character(JsonIn in) {
        if (in.peek() != '"') {
            return (char) in.number().intValue();
        }
        String s = in.string();
        if (s.length() > 1) {
            throw in.wrong("Cannot deserialize value of type `char` from String \"" + s + "\"");
        }
        return s.isEmpty() ? '\0' : s.charAt(0);
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
