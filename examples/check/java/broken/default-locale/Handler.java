package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Locale;
import java.util.Map;

/** Formats an amount the way the customer reads it. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        // Wrong: the default locale is the whole JVM's.
        Locale.setDefault(Locale.forLanguageTag((String) event.get("locale")));
        try {
            Thread.sleep(10); // converts the currency
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        double amount = ((Number) event.get("cents")).doubleValue() / 100;
        return Map.of("basket", event.get("basket"), "amount", String.format("%,.2f", amount));
    }
}
