package lamina;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/** AWS's interfaces as the function has them on its class path: of whichever version, so they are met by name. */
final class Core {
    static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";

    final Class<?> context;
    final Class<?> requestHandler;
    final Class<?> requestStreamHandler;
    final ClassLoader loader;
    private final Class<?> logger;
    private final Class<?> clientContext;
    private final Class<?> client;
    private final Class<?> identity;
    private final Settings settings = new Settings();
    private Logs logs;
    private MethodHandle usesLog4j;
    private MethodHandle log4jPut;

    Core(ClassLoader loader) throws ClassNotFoundException {
        this.loader = loader;
        context = find("Context");
        requestHandler = find("RequestHandler");
        requestStreamHandler = find("RequestStreamHandler");
        logger = find("LambdaLogger");
        clientContext = find("ClientContext");
        client = find("Client");
        identity = find("CognitoIdentity");
        try {
            usesLog4j = MethodHandles.publicLookup().unreflect(find("LambdaRuntimeInternal").getMethod("getUseLog4jAppender"));
        } catch (ReflectiveOperationException | LinkageError e) {
            usesLog4j = null; // a version without it
        }
    }

    private Class<?> find(String name) throws ClassNotFoundException {
        return Class.forName(PACKAGE + name, false, loader);
    }

    /** Makes LambdaRuntime.getLogger() ours. */
    void setLogger(Logs logs) throws ReflectiveOperationException {
        this.logs = logs;
        Field field = find("LambdaRuntime").getDeclaredField("logger");
        field.setAccessible(true);
        field.set(null, logger(null));
    }

    private Object proxy(Class<?> type, InvocationHandler handler) {
        return Proxy.newProxyInstance(loader, new Class<?>[] {type}, handler);
    }

    /** Methods that a later version of an interface has and this bootstrap does not know. */
    private static Object unknown(Object proxy, Method m, Object[] args) throws Throwable {
        switch (m.getName()) {
            case "equals":
                return proxy == args[0];
            case "hashCode":
                return System.identityHashCode(proxy);
            case "toString":
                return m.getDeclaringClass() == Object.class ? proxy.getClass().getInterfaces()[0].getSimpleName() : null;
            default:
                if (m.isDefault()) {
                    return InvocationHandler.invokeDefault(proxy, m, args);
                }
                throw new UnsupportedOperationException(m + " is not known to this version of Lamina");
        }
    }

    /** A logger whose lines belong to an invocation; null: to the calling thread's. */
    private Object logger(Invocation inv) {
        return proxy(logger, (proxy, m, args) -> {
            if (!m.getName().equals("log")) {
                return unknown(proxy, m, args);
            }
            String level = args.length > 1 && args[1] != null ? ((Enum<?>) args[1]).name() : "UNDEFINED";
            if (m.getParameterTypes()[0] == String.class) {
                logs.log((String) args[0], level, inv);
            } else {
                logs.log((byte[]) args[0], level);
            }
            return null;
        });
    }

    Object context(Invocation inv) {
        Object who = identity(inv.cognitoIdentity);
        Object app = clientContext(inv.clientContext);
        return proxy(context, (proxy, m, args) -> {
            switch (m.getName()) {
                case "getAwsRequestId":
                    return inv.requestId;
                case "getLogGroupName":
                    return settings.logGroup;
                case "getLogStreamName":
                    return settings.logStream;
                case "getFunctionName":
                    return settings.functionName;
                case "getFunctionVersion":
                    return settings.functionVersion;
                case "getInvokedFunctionArn":
                    return inv.functionArn;
                case "getIdentity":
                    return who;
                case "getClientContext":
                    return app;
                case "getRemainingTimeInMillis":
                    return (int) Math.max(inv.deadlineMs - System.currentTimeMillis(), 0);
                case "getMemoryLimitInMB":
                    return settings.memoryMB;
                case "getLogger":
                    return inv.logger == null ? inv.logger = logger(inv) : inv.logger;
                case "getTenantId":
                    return inv.tenantId;
                case "getXrayTraceId":
                    return inv.traceId;
                default:
                    return unknown(proxy, m, args);
            }
        });
    }

    private Object identity(String json) {
        if (json == null) {
            return null;
        }
        Map<?, ?> o = object(json);
        return proxy(identity, (proxy, m, args) -> switch (m.getName()) {
            case "getIdentityId" -> text(o, "cognitoIdentityId");
            case "getIdentityPoolId" -> text(o, "cognitoIdentityPoolId");
            default -> unknown(proxy, m, args);
        });
    }

    private Object clientContext(String json) {
        if (json == null) {
            return null;
        }
        Map<?, ?> o = object(json);
        Object app = o.get("client") instanceof Map<?, ?> c ? client(c) : null;
        Map<String, String> custom = texts(o.get("custom"));
        Map<String, String> env = texts(o.get("env"));
        return proxy(clientContext, (proxy, m, args) -> switch (m.getName()) {
            case "getClient" -> app;
            case "getCustom" -> custom;
            case "getEnvironment" -> env;
            default -> unknown(proxy, m, args);
        });
    }

    private Object client(Map<?, ?> o) {
        return proxy(client, (proxy, m, args) -> switch (m.getName()) {
            case "getInstallationId" -> text(o, "installation_id");
            case "getAppTitle" -> text(o, "app_title");
            case "getAppVersionName" -> text(o, "app_version_name");
            case "getAppVersionCode" -> text(o, "app_version_code");
            case "getAppPackageName" -> text(o, "app_package_name");
            default -> unknown(proxy, m, args);
        });
    }

    private static Map<?, ?> object(String json) {
        return (Map<?, ?>) new JsonIn(json.getBytes(StandardCharsets.UTF_8)).whole();
    }

    private static String text(Map<?, ?> o, String name) {
        Object v = o.get(name);
        return v == null ? null : v.toString();
    }

    private static Map<String, String> texts(Object o) {
        if (!(o instanceof Map<?, ?> m)) {
            return null;
        }
        Map<String, String> all = new LinkedHashMap<>();
        m.forEach((k, v) -> all.put(k.toString(), v == null ? null : v.toString()));
        return all;
    }

    /** AWS's appender for Log4j takes the request id from Log4j's own context. */
    void tellLog4j(String requestId) throws Throwable {
        if (usesLog4j == null || !(Boolean) usesLog4j.invoke()) {
            return;
        }
        if (log4jPut == null) {
            Class<?> c = Class.forName("org.apache.logging.log4j.ThreadContext", true, loader);
            log4jPut = MethodHandles.publicLookup().unreflect(c.getMethod("put", String.class, String.class));
        }
        log4jPut.invoke("AWSRequestId", requestId);
    }
}
