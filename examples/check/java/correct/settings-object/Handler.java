package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Formats a price with settings that go along. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    // Right: a value of its own for each request; defaults are read once.
    private record Settings(String currency, String label) {}

    private static final String CURRENCY = System.getProperty("price.currency", "EUR");

    private static String formatPrice(int cents, Settings settings) throws InterruptedException {
        Thread.sleep(10);
        return settings.label + ": " + cents / 100 + " " + settings.currency;
    }

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        Settings settings = new Settings((String) event.getOrDefault("currency", CURRENCY), (String) event.get("label"));
        try {
            return Map.of("price", formatPrice(((Number) event.get("cents")).intValue(), settings));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
