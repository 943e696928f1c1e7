package example;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import com.amazonaws.services.lambda.runtime.events.TestEvent;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.security.Security;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.LocalTime;
import java.time.Year;
import java.util.AbstractMap.SimpleEntry;
import java.util.ArrayList;
import java.util.Calendar;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TimeZone;
import java.util.TreeSet;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** The functions that the tests of the bootstrap run. */
public class Functions {
    public static class Echo implements RequestHandler<Map<String, Object>, Object> {
        @Override
        public Object handleRequest(Map<String, Object> event, Context context) {
            return event;
        }
    }

    public static class Any implements RequestHandler<Object, Object> {
        @Override
        public Object handleRequest(Object event, Context context) {
            return event;
        }
    }

    public static class EchoStream implements RequestStreamHandler {
        @Override
        public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException {
            in.transferTo(out);
        }
    }

    /** One object, several threads: waits until as many calls as asked for are here at once. */
    public static class Slots implements RequestHandler<Map<String, Object>, List<Object>> {
        private static final AtomicInteger objects = new AtomicInteger();
        private final AtomicInteger calls = new AtomicInteger();
        private volatile CountDownLatch here = new CountDownLatch(0);

        public Slots() {
            objects.incrementAndGet();
        }

        @Override
        public List<Object> handleRequest(Map<String, Object> event, Context context) {
            synchronized (this) {
                if (here.getCount() == 0) {
                    here = new CountDownLatch((int) event.get("together"));
                }
                here.countDown();
            }
            try {
                here.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return List.of(event.get("token"), Thread.currentThread().getName(), objects.get(), calls.incrementAndGet(), context.getAwsRequestId(),
                    String.valueOf(context.getXrayTraceId()));
        }
    }

    public static class Probe implements RequestHandler<Object, Map<String, Object>> {
        @Override
        public Map<String, Object> handleRequest(Object event, Context c) {
            Map<String, Object> m = new LinkedHashMap<>();
            m.put("names", List.of(c.getFunctionName(), c.getFunctionVersion(), c.getMemoryLimitInMB(), c.getLogGroupName(), c.getLogStreamName()));
            m.put("arn", c.getInvokedFunctionArn());
            m.put("tenant", c.getTenantId());
            ClientContext app = c.getClientContext();
            Client client = app == null ? null : app.getClient();
            m.put("client", app == null ? null : new Object[] {app.getCustom(), app.getEnvironment(), client.getAppTitle(), client.getInstallationId()});
            m.put("identity", c.getIdentity() == null ? null : List.of(c.getIdentity().getIdentityId(), c.getIdentity().getIdentityPoolId()));
            m.put("left", 8000 < c.getRemainingTimeInMillis() && c.getRemainingTimeInMillis() <= 10000);
            m.put("trace", c.getXrayTraceId());
            m.put("property", System.getProperty("com.amazonaws.xray.traceHeader"));
            m.put("id", c.getAwsRequestId());
            return m;
        }
    }

    public static class Order {
        public String note;
        private String id;
        private int count = 7;
        private List<Item> items;
        private Optional<String> maybe = Optional.empty();
        private Color color;
        private Instant at;
        private byte[] data;
        private boolean paid;
        private Map<String, Long> sums;
        private String URL;

        public String getId() { return id; }
        public void setId(String id) { this.id = id; }
        public int getCount() { return count; }
        public void setCount(int count) { this.count = count; }
        public List<Item> getItems() { return items; }
        public void setItems(List<Item> items) { this.items = items; }
        public Optional<String> getMaybe() { return maybe; }
        public void setMaybe(Optional<String> maybe) { this.maybe = maybe; }
        public Color getColor() { return color; }
        public void setColor(Color color) { this.color = color; }
        public Instant getAt() { return at; }
        public void setAt(Instant at) { this.at = at; }
        public byte[] getData() { return data; }
        public void setData(byte[] data) { this.data = data; }
        public boolean isPaid() { return paid; }
        public void setPaid(boolean paid) { this.paid = paid; }
        public Map<String, Long> getSums() { return sums; }
        public void setSums(Map<String, Long> sums) { this.sums = sums; }
        public String getURL() { return URL; }
        public void setURL(String URL) { this.URL = URL; }
    }

    public enum Color { RED, GREEN }

    public record Item(String name, double price, Set<Integer> sizes, Item part) {
        public Item {
            sizes = sizes == null ? null : new TreeSet<>(sizes);
        }
    }

    public static class Orders implements RequestHandler<Order, Order> {
        @Override
        public Order handleRequest(Order order, Context context) {
            return order;
        }
    }

    public static class Items implements RequestHandler<List<Item>, Item[]> {
        @Override
        public Item[] handleRequest(List<Item> items, Context context) {
            for (Item i : items) {
                i.name().length(); // these are Items
            }
            return items.toArray(new Item[0]);
        }
    }

    public static class Events implements RequestHandler<TestEvent, TestEvent> {
        @Override
        public TestEvent handleRequest(TestEvent event, Context context) {
            return event;
        }
    }

    /** What numbers and words become. */
    public static class Scalars {
        public int whole;
        public Integer boxed;
        public long wide;
        public Long wideBoxed;
        public short small;
        public byte tiny;
        public char letter;
        public double fraction;
        public boolean flag;
        public Boolean flagBoxed;
        public List<Integer> many;
    }

    public static class ScalarsEcho implements RequestHandler<Scalars, Scalars> {
        @Override
        public Scalars handleRequest(Scalars event, Context context) {
            return event;
        }
    }

    /** What dates and times, constants and bytes are read from. */
    public static class Forms {
        public LocalDate day;
        public LocalTime time;
        public LocalDateTime both;
        public Date date;
        public Instant at;
        public Color color;
        public byte[] data;
    }

    public static class FormsEcho implements RequestHandler<Forms, Forms> {
        @Override
        public Forms handleRequest(Forms event, Context context) {
            return event;
        }
    }

    /** What holds or names another value. */
    public static class Held {
        public OptionalInt none = OptionalInt.empty();
        public OptionalLong some = OptionalLong.of(1L << 40);
        public AtomicReference<String> empty = new AtomicReference<>();
    }

    public static class Results implements RequestHandler<String, Object> {
        private static final AtomicInteger closed = new AtomicInteger();

        @Override
        public Object handleRequest(String event, Context context) {
            switch (event) {
                case "bean": return new Held();
                case "optionals": return new Object[] {OptionalInt.of(3), OptionalInt.empty(), OptionalLong.empty(), OptionalDouble.of(2.5), OptionalDouble.empty()};
                case "streams": return List.of(Stream.of("a", "b").onClose(closed::incrementAndGet), IntStream.range(0, 3), LongStream.empty(), DoubleStream.of(0.5));
                case "closed": return closed.get();
                case "classes": return new Object[] {Results.class, int.class, String[].class};
                case "entries": return new Object[] {Map.entry("k", "v"), new SimpleEntry<>(Color.RED, List.of(1))};
                case "atomics": return new Object[] {new AtomicBoolean(true), new AtomicInteger(1), new AtomicLong(2), new AtomicReference<>(List.of(3))};
                case "times": {
                    Calendar calendar = Calendar.getInstance();
                    calendar.setTimeInMillis(1577836800000L);
                    return new Object[] {TimeZone.getTimeZone("UTC"), calendar, Year.of(2020)};
                }
                default: return Security.getProperty(event);
            }
        }
    }

    /** The type of the event is known two classes up. */
    abstract static class Base<T, R> implements RequestHandler<T, Map<String, R>> {
    }

    abstract static class Middle<X> extends Base<X, Integer> {
    }

    public static class Derived extends Middle<Item> {
        @Override
        public Map<String, Integer> handleRequest(Item item, Context context) {
            return Map.of(item.name(), item.sizes().iterator().next());
        }
    }

    /** Methods for pkg.Class::method. */
    public static class Methods {
        public String text(String s) { return s + "!"; }
        public static int sum(List<Integer> numbers) { int n = 0; for (int i : numbers) { n += i; } return n; }
        public Object both(Item item, Context context) { return List.of(item.name(), context.getFunctionName()); }
        public Object both(Item item) { return "the shorter"; }
        public String only(Context context) { return context.getFunctionVersion(); }
        public void none() { }
        public void in(InputStream in, OutputStream out) throws IOException { in.transferTo(out); }
        public void out(OutputStream out, Context context) throws IOException { out.write(context.getFunctionName().getBytes()); }
        public void input(InputStream in) throws IOException { in.readAllBytes(); }
        public String odd(String a, String b) { return a + b; }
        String hidden(String s) { return s; }
    }

    public static class OrderException extends RuntimeException {
        private static final long serialVersionUID = 1;

        OrderException(String message, Throwable cause) { super(message, cause); }
    }

    public static class Errors implements RequestHandler<String, Object> {
        @Override
        public Object handleRequest(String event, Context context) {
            switch (event) {
                case "deep": return deeper();
                case "null": throw new NullPointerException();
                case "error": throw new AssertionError("an error");
                case "stack": return handleRequest(event, context);
                case "memory": {
                    List<long[]> all = new ArrayList<>();
                    while (all.size() >= 0) { all.add(new long[1 << 22]); }
                    return null;
                }
                case "result": return new Object() { public Object getIt() { throw new IllegalStateException("no result"); } };
                case "interrupt": Thread.currentThread().interrupt(); return "interrupted";
                default: return event;
            }
        }

        private Object deeper() {
            throw new OrderException("bad order", new IOException("disk"));
        }
    }

    public static class Exits implements RequestHandler<String, Object> {
        @Override
        public Object handleRequest(String event, Context context) {
            if (event.equals("exit")) { System.exit(7); }
            if (event.equals("halt")) { Runtime.getRuntime().halt(8); }
            try {
                Thread.sleep(Integer.parseInt(event));
            } catch (InterruptedException e) {
                return "interrupted";
            }
            return "slept";
        }
    }

    public static class BadConstructor implements RequestHandler<String, Object> {
        public BadConstructor() { throw new IllegalStateException("not today"); }
        @Override
        public Object handleRequest(String event, Context context) { return null; }
    }

    public static class BadStatic implements RequestHandler<String, Object> {
        static final int N = Integer.parseInt("x");
        @Override
        public Object handleRequest(String event, Context context) { return N; }
    }

    public static class NoConstructor implements RequestHandler<String, Object> {
        public NoConstructor(int n) { }
        @Override
        public Object handleRequest(String event, Context context) { return null; }
    }

    public static class NoTypes<T> implements RequestHandler<T, Object> {
        @Override
        public Object handleRequest(T event, Context context) { return null; }
    }

    @SuppressWarnings("rawtypes")
    public static class Raw implements RequestHandler {
        @Override
        public Object handleRequest(Object event, Context context) { return null; }
    }

    public static class NoHandler {
    }

    public static class ExitsInInit implements RequestHandler<String, Object> {
        static { System.exit(3); }
        @Override
        public Object handleRequest(String event, Context context) { return null; }
    }

    public static class Logs implements RequestHandler<String, Object> {
        public Logs() {
            LambdaRuntime.getLogger().log("during init");
        }

        @Override
        public Object handleRequest(String event, Context context) {
            context.getLogger().log("plain " + event);
            context.getLogger().log("two\nlines \"ä\" 😀", LogLevel.WARN);
            context.getLogger().log("not shown", LogLevel.DEBUG);
            context.getLogger().log("some bytes".getBytes());
            LambdaRuntime.getLogger().log("by the runtime " + event, LogLevel.INFO);
            Thread other = new Thread(() -> context.getLogger().log("from another thread " + event));
            other.start();
            try {
                other.join();
            } catch (InterruptedException e) {
                return null;
            }
            System.out.println("out " + event);
            System.err.println("err " + event);
            System.out.print("y".repeat(100000) + "\n");
            System.out.println("{\"own\":\"" + event + "\"}");
            System.out.print("no ");
            System.out.print("newline");
            return null;
        }
    }

    public static class Lines implements RequestHandler<String, Object> {
        @Override
        public Object handleRequest(String event, Context context) {
            for (int i = 0; i < 20; i++) {
                System.out.println(event.repeat(20000));
                System.out.print(event);
                System.out.print(event + "\n");
            }
            return null;
        }
    }

    public static class Place implements RequestHandler<Object, Object> {
        @Override
        public Object handleRequest(Object event, Context context) throws RuntimeException {
            return List.of(new File("").getAbsolutePath(), System.getenv("AWS_EXECUTION_ENV"), System.getenv("MINE"), System.getProperty("user.name"),
                    ProcessHandle.current().info().command().orElse(""), Runtime.getRuntime().availableProcessors(), Runtime.getRuntime().maxMemory() >> 20,
                    System.getProperty("mine", "none"), String.valueOf(Thread.currentThread().getContextClassLoader() == Place.class.getClassLoader()), seen("lamina.Main"),
                    seen("org.example.Library"));
        }

        private static String seen(String name) {
            try {
                return Class.forName(name).getMethod("hello").invoke(null).toString();
            } catch (ReflectiveOperationException e) {
                return e.getClass().getSimpleName();
            }
        }
    }
}
