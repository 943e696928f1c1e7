package lamina;

import java.lang.reflect.Array;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** What the type variables of a class stand for. */
final class Types {
    private final Map<TypeVariable<?>, Type> known = new HashMap<>();

    private Types() {
    }

    /** What the arguments of one of c's super types are. */
    static Type[] argumentsOf(Type c, Class<?> superType) {
        Types scope = of(c, superType);
        TypeVariable<?>[] variables = superType.getTypeParameters();
        Type[] arguments = new Type[variables.length];
        for (int i = 0; i < arguments.length; i++) {
            arguments[i] = scope.resolve(variables[i]);
        }
        return arguments;
    }

    /** The variables of a type and of its super types on the way to one of them. */
    static Types of(Type type, Class<?> superType) {
        Types scope = new Types();
        scope.climb(type, superType);
        return scope;
    }

    private void climb(Type type, Class<?> superType) {
        Class<?> raw = raw(type);
        if (raw == null || !superType.isAssignableFrom(raw)) {
            return;
        }
        if (type instanceof ParameterizedType p) {
            bind(raw, p.getActualTypeArguments());
        }
        for (Type i : raw.getGenericInterfaces()) {
            climb(i, superType);
        }
        if (raw.getGenericSuperclass() != null) {
            climb(raw.getGenericSuperclass(), superType);
        }
    }

    private void bind(Class<?> raw, Type[] arguments) {
        TypeVariable<?>[] variables = raw.getTypeParameters();
        for (int i = 0; i < variables.length && i < arguments.length; i++) {
            known.putIfAbsent(variables[i], resolve(arguments[i]));
        }
    }

    /** A type without variables as far as they are known; the bound of those that are not. */
    Type resolve(Type t) {
        if (t instanceof TypeVariable<?> v) {
            Type k = known.get(v);
            return k != null ? k : v;
        }
        if (t instanceof WildcardType w) {
            return resolve(w.getUpperBounds()[0]);
        }
        if (t instanceof GenericArrayType a) {
            return Array.newInstance(raw(resolve(a.getGenericComponentType())), 0).getClass();
        }
        if (t instanceof ParameterizedType p) {
            Type[] arguments = p.getActualTypeArguments().clone();
            for (int i = 0; i < arguments.length; i++) {
                arguments[i] = resolve(arguments[i]);
            }
            return new Resolved((Class<?>) p.getRawType(), arguments);
        }
        return t;
    }

    /** A variable of which nothing is known. */
    static boolean unbound(Type t) {
        return t instanceof TypeVariable<?> v && v.getBounds()[0] == Object.class;
    }

    /** The type of an array's elements. */
    static Type resolvedComponent(Type t) {
        return t instanceof GenericArrayType a ? a.getGenericComponentType() : raw(t).getComponentType();
    }

    static Class<?> raw(Type t) {
        if (t instanceof Class<?> c) {
            return c;
        }
        if (t instanceof ParameterizedType p) {
            return (Class<?>) p.getRawType();
        }
        if (t instanceof TypeVariable<?> v) {
            return raw(v.getBounds()[0]);
        }
        if (t instanceof WildcardType w) {
            return raw(w.getUpperBounds()[0]);
        }
        if (t instanceof GenericArrayType a) {
            return Array.newInstance(raw(a.getGenericComponentType()), 0).getClass();
        }
        return Object.class;
    }

    /** A parameterized type whose arguments have no known variables any more. */
    private record Resolved(Class<?> raw, Type[] arguments) implements ParameterizedType {
        @Override
        public Type[] getActualTypeArguments() {
            return arguments.clone();
        }

        @Override
        public Type getRawType() {
            return raw;
        }

        @Override
        public Type getOwnerType() {
            return raw.getDeclaringClass();
        }

        @Override
        public boolean equals(Object o) {
            return o instanceof ParameterizedType p && raw == p.getRawType() && Arrays.equals(arguments, p.getActualTypeArguments());
        }

        @Override
        public int hashCode() {
            return 31 * raw.hashCode() + Arrays.hashCode(arguments);
        }

        @Override
        public String toString() {
            return raw.getName() + Arrays.toString(arguments);
        }
    }
}
