package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Renders a label in a buffer that it keeps, to spare allocations. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    // Wrong: one buffer for all threads.
    private final StringBuilder label = new StringBuilder();

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        label.setLength(0);
        label.append(event.get("parcel")).append(": ");
        try {
            Thread.sleep(8); // looks the address up
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        label.append(event.get("address"));
        return Map.of("label", label.toString());
    }
}
