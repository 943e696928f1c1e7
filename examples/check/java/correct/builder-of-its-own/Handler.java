package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Renders a label in a buffer. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    private static final String SEPARATOR = ": ";

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        // Right: made for this request; the handler object has no fields.
        StringBuilder label = new StringBuilder(event.get("parcel")).append(SEPARATOR);
        try {
            Thread.sleep(8);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return Map.of("label", label.append(event.get("address")).toString());
    }
}
