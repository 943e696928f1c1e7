package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Formats a price with settings that a library reads from the system's properties. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    private static String formatPrice(int cents) throws InterruptedException {
        Thread.sleep(10); // loads the currency's rules
        return System.getProperty("price.label") + ": " + cents / 100 + " " + System.getProperty("price.currency");
    }

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        // Wrong: properties are the process's, not the request's.
        System.setProperty("price.currency", (String) event.get("currency"));
        System.setProperty("price.label", (String) event.get("label"));
        try {
            return Map.of("price", formatPrice(((Number) event.get("cents")).intValue()));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
