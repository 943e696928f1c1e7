package lamina;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.util.Arrays;
import java.util.Comparator;

/** Finds what a handler string names, with AWS's words where there is nothing. */
final class HandlerLoader {
    private final Core core;
    private final Mapper mapper;
    Object instance; // what the handler is called on; null for a static method

    HandlerLoader(Core core, Mapper mapper) {
        this.core = core;
        this.mapper = mapper;
    }

    /** Loads package.Class, or package.Class::method. */
    Handler load(String handler, ClassLoader loader) {
        int colons = handler == null ? -1 : handler.lastIndexOf("::");
        String className = colons < 0 ? handler : handler.substring(0, colons);
        String method = colons < 0 ? null : handler.substring(colons + 2);
        if (className == null || className.isEmpty() || method != null && method.isEmpty()) {
            throw new Fault("Invalid handler: `" + handler + "'");
        }
        Class<?> c = find(className, loader);
        return method == null ? ofInterface(c) : ofMethod(c, method);
    }

    private static Class<?> find(String name, ClassLoader loader) {
        try {
            return Class.forName(name, true, loader);
        } catch (ClassNotFoundException e) {
            throw new Fault("Class not found: " + name, e);
        } catch (Throwable t) {
            throw new Fault("Error loading class " + name + (t.getMessage() == null ? "" : ": " + t.getMessage()), t);
        }
    }

    private Handler ofInterface(Class<?> c) {
        if (core.requestStreamHandler.isAssignableFrom(c)) {
            return call(c, only(core.requestStreamHandler), new Type[] {InputStream.class, OutputStream.class, core.context}, void.class);
        }
        if (!core.requestHandler.isAssignableFrom(c)) {
            throw new Fault("Class does not implement an appropriate handler interface: " + c.getName());
        }
        Type[] types = Types.argumentsOf(c, core.requestHandler);
        for (Type t : types) {
            if (Types.unbound(t)) {
                boolean raw = ((TypeVariable<?>) t).getGenericDeclaration() == core.requestHandler; // AWS names only the function's own
                throw new Fault("Class " + c.getName() + " does not implement RequestHandler with concrete type parameters"
                        + (raw ? "" : ": parameter " + t + " has no upper bound."));
            }
        }
        return call(c, only(core.requestHandler), new Type[] {types[0], core.context}, types[1]);
    }

    private static Method only(Class<?> handlerInterface) {
        return Arrays.stream(handlerInterface.getMethods()).filter(m -> m.getName().equals("handleRequest")).findFirst().orElseThrow();
    }

    /** Of overloads, the real before the bridge, then the longest, where a Context at the end counts twice. */
    private Handler ofMethod(Class<?> c, String name) {
        Method[] methods;
        try {
            methods = c.getMethods();
        } catch (NoClassDefFoundError e) {
            throw new Fault("Error loading method " + name + " on class " + c.getName(), e);
        }
        Method best = Arrays.stream(methods).filter(m -> m.getName().equals(name) && fits(m))
                .min(Comparator.comparing(Method::isBridge).thenComparing(m -> -weight(m))).orElse(null);
        if (best == null) {
            throw new Fault("No public method named " + name + " with appropriate method signature found on class " + c.getName());
        }
        Types scope = Types.of(c, best.getDeclaringClass());
        Type[] types = Arrays.stream(best.getGenericParameterTypes()).map(scope::resolve).toArray(Type[]::new);
        return call(c, best, types, scope.resolve(best.getGenericReturnType()));
    }

    private int weight(Method m) {
        Class<?>[] p = m.getParameterTypes();
        return p.length + (p.length > 0 && p[p.length - 1] == core.context ? 1 : 0);
    }

    /** Any of (event), (event, Context), (Context), (InputStream, OutputStream, Context) and shorter ones of these. */
    private boolean fits(Method m) {
        StringBuilder kinds = new StringBuilder();
        for (Class<?> p : m.getParameterTypes()) {
            kinds.append(p == InputStream.class ? 'I' : p == OutputStream.class ? 'O' : p == core.context ? 'C' : 'E');
        }
        return kinds.toString().matches("|I|O|C|E|EC|IO|IC|OC|IOC");
    }

    private Handler call(Class<?> c, Method m, Type[] types, Type result) {
        instance = Modifier.isStatic(m.getModifiers()) ? null : make(c);
        MethodHandle target;
        try {
            m.setAccessible(true);
            MethodHandle h = MethodHandles.lookup().unreflect(m);
            h = instance == null ? h : h.bindTo(instance);
            target = h.asType(h.type().generic()).asSpreader(Object[].class, types.length);
        } catch (IllegalAccessException e) {
            throw Fault.of(e);
        }
        return new Call(core, target, types, result, mapper);
    }

    private static Object make(Class<?> c) {
        Constructor<?> constructor;
        try {
            constructor = c.getConstructor();
        } catch (NoSuchMethodException e) {
            if (c.getEnclosingClass() != null && !Modifier.isStatic(c.getModifiers())) {
                throw new Fault("Class " + c.getName() + " cannot be instantiated because it is a non-static inner class", new Exception(e));
            }
            throw new Fault("Class " + c.getName() + " has no public zero-argument constructor", new Exception(e));
        }
        try {
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (InvocationTargetException e) {
            throw Fault.of(e.getCause() == null ? e : e.getCause());
        } catch (ReflectiveOperationException e) {
            throw Fault.of(e);
        }
    }

    /** A handler's method with its parameters' meaning. */
    private static final class Call implements Handler {
        private final Core core;
        private final MethodHandle target;
        private final int arguments;
        private final int context;
        private final int event;
        private final int input;
        private final int output;
        private final Codec.In reader;
        private final Codec.Out writer; // null: void

        Call(Core core, MethodHandle target, Type[] types, Type result, Mapper mapper) {
            this.core = core;
            this.target = target;
            arguments = types.length;
            int c = -1;
            int e = -1;
            int i = -1;
            int o = -1;
            for (int n = 0; n < types.length; n++) {
                if (types[n] == core.context) {
                    c = n;
                } else if (types[n] == InputStream.class) {
                    i = n;
                } else if (types[n] == OutputStream.class) {
                    o = n;
                } else {
                    e = n;
                }
            }
            context = c;
            event = e;
            input = i;
            output = o;
            boolean none = i >= 0 || o >= 0 || result == void.class || result == Void.class;
            reader = event < 0 ? null : mapper.eventReader(types[event]);
            writer = none ? null : mapper.resultWriter(result);
        }

        @Override
        public void handle(Invocation inv, JsonOut answer) throws Throwable {
            Object[] args = new Object[arguments];
            if (context >= 0) {
                args[context] = core.context(inv);
            }
            if (event >= 0) {
                args[event] = read(inv.body);
            }
            if (input >= 0) {
                args[input] = new ByteArrayInputStream(inv.body);
            }
            if (output >= 0) {
                args[output] = answer;
            }
            Object result = target.invoke(args);
            if (writer != null) {
                write(result, answer);
            } else if (output < 0) {
                answer.ascii("null");
            }
        }

        private Object read(byte[] body) {
            try {
                return reader.readWhole(body);
            } catch (Throwable t) {
                throw new RuntimeException("An error occurred during JSON parsing", t);
            }
        }

        private void write(Object result, JsonOut answer) {
            try {
                writer.write(result, answer);
            } catch (Throwable t) {
                throw new RuntimeException("An error occurred during JSON serialization of response", t);
            }
        }
    }
}
