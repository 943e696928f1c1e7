package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Waits for a print job to end and answers with its pages. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        int printed = 0;
        try {
            // Wrong: never asks for the time that is left; a long job holds its slot far beyond the timeout.
            for (; printed < ((Number) event.get("pages")).intValue(); printed++) {
                Thread.sleep(20);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return Map.of("job", event.get("job"), "pages", printed);
    }
}
