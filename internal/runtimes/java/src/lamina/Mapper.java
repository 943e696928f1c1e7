package lamina;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Type;
import java.util.Iterator;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.ConcurrentHashMap;

/** Java values from JSON and back, by the rules that AWS's runtime sets its mapper to. */
final class Mapper {
    private final Map<Type, Codec.In> readers = new ConcurrentHashMap<>();
    private final ClassValue<Codec.Out> writers = new ClassValue<>() {
        @Override
        protected Codec.Out computeValue(Class<?> c) {
            return Writers.of(c, Mapper.this);
        }
    };
    private final Custom custom;

    /** A serializer that the function brings for its own events and results. */
    private record Custom(Object serializer, Method fromJson, Method toJson) {
    }

    Mapper(Core core) {
        custom = findCustom(core);
    }

    private static Custom findCustom(Core core) {
        Class<?> type;
        try {
            type = Class.forName(Core.PACKAGE + "CustomPojoSerializer", false, core.loader);
        } catch (ClassNotFoundException e) {
            return null; // a version without it
        }
        Iterator<?> all = ServiceLoader.load(type, core.loader).iterator();
        if (!all.hasNext()) {
            return null;
        }
        Object one = all.next();
        if (all.hasNext()) {
            throw new Fault("Too many serializers provided inside the META-INF/services folder, only one is allowed");
        }
        try {
            return new Custom(one, type.getMethod("fromJson", InputStream.class, Type.class), type.getMethod("toJson", Object.class, OutputStream.class, Type.class));
        } catch (NoSuchMethodException e) {
            throw Fault.of(e);
        }
    }

    /** For a handler's event. */
    Codec.In eventReader(Type t) {
        if (custom == null) {
            return reader(t);
        }
        return new Codec.In() {
            @Override
            public Object read(JsonIn in) {
                throw new IllegalStateException();
            }

            @Override
            public Object readWhole(byte[] text) throws Throwable {
                return call(custom.fromJson, new ByteArrayInputStream(text), t);
            }
        };
    }

    /** For a handler's result. */
    Codec.Out resultWriter(Type t) {
        if (custom == null) {
            return this::write;
        }
        return (v, out) -> call(custom.toJson, v, out, t);
    }

    private Object call(Method m, Object... args) throws Throwable {
        try {
            m.setAccessible(true);
            return m.invoke(custom.serializer, args);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    Codec.In reader(Type t) {
        Codec.In r = readers.get(t);
        if (r == null) {
            r = Readers.of(t, this);
            readers.put(t, r);
        }
        return r;
    }

    void write(Object v, JsonOut out) throws Throwable {
        if (v == null) {
            out.ascii("null");
        } else if (v instanceof String s) {
            out.string(s);
        } else if (v instanceof Integer n) {
            out.number(n);
        } else if (v instanceof Boolean b) {
            out.ascii(b ? "true" : "false");
        } else {
            writers.get(v.getClass()).write(v, out);
        }
    }
}
