package lamina;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Member;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Classes with properties: beans by their setters, getters and public fields, and records. */
final class Bean {
    private static final MethodHandles.Lookup LOOKUP = MethodHandles.lookup();

    private Bean() {
    }

    /** AWS's own event classes, whose names differ in case from what the events have, or lack setters. */
    private static boolean isEvent(Class<?> c) {
        return c.getName().startsWith(Core.PACKAGE + "events.") || c.getName().startsWith("com.amazonaws.services.s3.event.")
                || c.getName().startsWith("com.amazonaws.services.dynamodbv2.model.");
    }

    /** A constructor without arguments, whatever its access; null: there is none. */
    static Constructor<?> constructor(Class<?> c) {
        try {
            Constructor<?> k = c.getDeclaredConstructor();
            return open(k) ? k : null;
        } catch (NoSuchMethodException e) {
            return null;
        }
    }

    /** Classes of the JDK's modules are not open. */
    private static boolean open(AccessibleObject o) {
        return o.trySetAccessible() || ((Member) o).getDeclaringClass().getModule().isExported(((Member) o).getDeclaringClass().getPackageName())
                && Modifier.isPublic(((Member) o).getModifiers()) && Modifier.isPublic(((Member) o).getDeclaringClass().getModifiers());
    }

    /** One property to be read. */
    private static final class Setter {
        final Type type;
        final int index; // of a record's component
        final MethodHandle set; // (bean, value)
        private final Mapper mapper;
        private volatile Codec.In reader;

        Setter(Type type, int index, MethodHandle set, Mapper mapper) {
            this.type = type;
            this.index = index;
            this.set = set;
            this.mapper = mapper;
        }

        /** Found late: a type may have properties of its own kind. */
        Codec.In reader() {
            Codec.In r = reader;
            return r != null ? r : (reader = mapper.reader(type));
        }
    }

    static Codec.In reader(Type type, Class<?> c, Mapper mapper) {
        if (c.isRecord()) {
            return recordReader(type, c, mapper);
        }
        Constructor<?> constructor = Modifier.isAbstract(c.getModifiers()) ? null : constructor(c);
        if (constructor == null && isEvent(c) && !Modifier.isAbstract(c.getModifiers())) {
            constructor = withoutConstructor(c);
        }
        if (constructor == null) {
            return in -> {
                throw in.wrong("Cannot construct instance of `" + c.getName() + "` (no Creators, like default constructor, exist)");
            };
        }
        Map<String, Setter> setters = setters(type, c, mapper);
        Constructor<?> k = constructor;
        return in -> {
            if (blank(in, c)) {
                return null;
            }
            try {
                Object bean = k.newInstance();
                members(in, setters, isEvent(c), (setter, v) -> setter.set.invoke(bean, v));
                return bean;
            } catch (RuntimeException | Error e) {
                throw e;
            } catch (Throwable t) {
                throw new IllegalStateException("making a " + c.getName(), t);
            }
        };
    }

    private static Codec.In recordReader(Type type, Class<?> c, Mapper mapper) {
        RecordComponent[] components = c.getRecordComponents();
        Types scope = Types.of(type, c);
        Map<String, Setter> setters = new HashMap<>();
        Class<?>[] types = new Class<?>[components.length];
        for (int i = 0; i < components.length; i++) {
            types[i] = components[i].getType();
            setters.put(components[i].getName(), new Setter(scope.resolve(components[i].getGenericType()), i, null, mapper));
        }
        Constructor<?> canonical;
        try {
            canonical = c.getDeclaredConstructor(types);
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(e);
        }
        canonical.trySetAccessible();
        return in -> {
            if (blank(in, c)) {
                return null;
            }
            Object[] values = new Object[components.length];
            setters.values().forEach(s -> values[s.index] = s.reader().absent());
            try {
                members(in, setters, false, (setter, v) -> values[setter.index] = v);
                return canonical.newInstance(values);
            } catch (RuntimeException | Error e) {
                throw e;
            } catch (Throwable t) {
                throw new IllegalStateException("making a " + c.getName(), t);
            }
        };
    }

    /** An empty string stands for null, as on AWS. */
    private static boolean blank(JsonIn in, Class<?> c) {
        if (in.peek() == '{') {
            return false;
        }
        if (in.peek() == '"' && in.string().isEmpty()) {
            return true;
        }
        throw in.wrong("Cannot construct instance of `" + c.getName() + "` from a value that is no object");
    }

    @FunctionalInterface
    private interface Taker {
        void take(Setter setter, Object value) throws Throwable;
    }

    private static void members(JsonIn in, Map<String, Setter> setters, boolean anyCase, Taker taker) throws Throwable {
        in.expect('{');
        if (in.take('}')) {
            return;
        }
        do {
            String name = in.name();
            Setter s = setters.get(name);
            if (s == null && anyCase) {
                s = setters.get(name.toLowerCase(Locale.ROOT));
            }
            if (s == null) {
                in.skip();
            } else {
                taker.take(s, s.reader().readOrAbsent(in));
            }
        } while (in.take(','));
        in.expect('}');
    }

    private static Map<String, Setter> setters(Type type, Class<?> c, Mapper mapper) {
        Map<String, Setter> all = new HashMap<>();
        boolean event = isEvent(c);
        for (Field f : fields(c)) {
            if ((event || Modifier.isPublic(f.getModifiers())) && f.trySetAccessible()) {
                add(all, f.getName(), Types.of(type, f.getDeclaringClass()).resolve(f.getGenericType()), handle(() -> LOOKUP.unreflectSetter(f)), mapper, event);
            }
        }
        for (Method m : c.getMethods()) {
            if (m.getName().length() > 3 && m.getName().startsWith("set") && m.getParameterCount() == 1 && !Modifier.isStatic(m.getModifiers()) && !m.isBridge()
                    && m.trySetAccessible()) {
                add(all, property(m.getName().substring(3)), Types.of(type, m.getDeclaringClass()).resolve(m.getGenericParameterTypes()[0]),
                        handle(() -> LOOKUP.unreflect(m)), mapper, event);
            }
        }
        return all;
    }

    private static void add(Map<String, Setter> all, String name, Type type, MethodHandle h, Mapper mapper, boolean anyCase) {
        Setter s = new Setter(type, 0, h.asType(MethodType.methodType(void.class, Object.class, Object.class)), mapper);
        all.put(name, s);
        if (anyCase) {
            all.put(name.toLowerCase(Locale.ROOT), s);
        }
    }

    @FunctionalInterface
    private interface Finder {
        MethodHandle find() throws IllegalAccessException;
    }

    private static MethodHandle handle(Finder finder) {
        try {
            return finder.find();
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e); // it was made accessible
        }
    }

    /** All fields of instances, those of super classes first. */
    private static List<Field> fields(Class<?> c) {
        if (c == null || c == Object.class) {
            return new ArrayList<>();
        }
        List<Field> all = fields(c.getSuperclass());
        for (Field f : c.getDeclaredFields()) {
            if (!Modifier.isStatic(f.getModifiers()) && !Modifier.isTransient(f.getModifiers()) && !f.isSynthetic()) {
                all.add(f);
            }
        }
        return all;
    }

    /** The name of a property from that of its getter or setter: URL stays so, Name becomes name. */
    private static String property(String s) {
        if (s.length() > 1 && Character.isUpperCase(s.charAt(0)) && Character.isUpperCase(s.charAt(1))) {
            return s;
        }
        return Character.toLowerCase(s.charAt(0)) + s.substring(1);
    }

    /** What the JDK's own serialization makes objects with, for AWS's event classes that have no simple constructor. */
    private static Constructor<?> withoutConstructor(Class<?> c) {
        try {
            Class<?> factory = Class.forName("sun.reflect.ReflectionFactory");
            Object one = factory.getMethod("getReflectionFactory").invoke(null);
            return (Constructor<?>) factory.getMethod("newConstructorForSerialization", Class.class, Constructor.class).invoke(one, c, Object.class.getDeclaredConstructor());
        } catch (ReflectiveOperationException e) {
            return null;
        }
    }

    /** Properties in the order of the fields behind them, then those without by name; null ones are left out, as on AWS. */
    static Codec.Out writer(Class<?> c, Mapper mapper) {
        Map<String, MethodHandle> getters = c.isRecord() ? components(c) : getters(c);
        String[] names = getters.keySet().toArray(new String[0]);
        MethodHandle[] handles = getters.values().toArray(new MethodHandle[0]);
        return (bean, out) -> {
            int separator = '{';
            for (int i = 0; i < names.length; i++) {
                Object v = handles[i].invoke(bean);
                if (v != null) {
                    out.raw(separator).string(names[i]).raw(':');
                    mapper.write(v, out);
                    separator = ',';
                }
            }
            out.ascii(separator == '{' ? "{}" : "}");
        };
    }

    private static Map<String, MethodHandle> components(Class<?> c) {
        Map<String, MethodHandle> all = new LinkedHashMap<>();
        for (RecordComponent r : c.getRecordComponents()) {
            if (r.getAccessor().trySetAccessible()) {
                all.put(r.getName(), generic(handle(() -> LOOKUP.unreflect(r.getAccessor()))));
            }
        }
        return all;
    }

    private static Map<String, MethodHandle> getters(Class<?> c) {
        Map<String, MethodHandle> found = new HashMap<>();
        List<String> order = new ArrayList<>();
        for (Field f : fields(c)) {
            order.add(f.getName());
            if (Modifier.isPublic(f.getModifiers()) && f.trySetAccessible()) {
                found.put(f.getName(), generic(handle(() -> LOOKUP.unreflectGetter(f))));
            }
        }
        Method[] methods = c.getMethods();
        java.util.Arrays.sort(methods, Comparator.comparing(Method::getName));
        for (Method m : methods) {
            String name = getterOf(m);
            if (name != null && open(m)) {
                found.put(name, generic(handle(() -> LOOKUP.unreflect(m))));
                if (!order.contains(name)) {
                    order.add(name);
                }
            }
        }
        Map<String, MethodHandle> all = new LinkedHashMap<>();
        for (String name : order) {
            if (found.containsKey(name)) {
                all.put(name, found.get(name));
            }
        }
        return all;
    }

    private static MethodHandle generic(MethodHandle h) {
        return h.asType(MethodType.genericMethodType(1));
    }

    /** The property that a method gets; null: it is no getter. */
    private static String getterOf(Method m) {
        if (m.getParameterCount() > 0 || Modifier.isStatic(m.getModifiers()) || m.isBridge() || m.getDeclaringClass() == Object.class || m.getReturnType() == void.class) {
            return null;
        }
        String n = m.getName();
        if (n.length() > 3 && n.startsWith("get")) {
            return property(n.substring(3));
        }
        boolean flag = m.getReturnType() == boolean.class || m.getReturnType() == Boolean.class;
        return flag && n.length() > 2 && n.startsWith("is") ? property(n.substring(2)) : null;
    }
}
