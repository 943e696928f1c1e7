package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** Resizes pictures by the numbers, and counts for the environment's own metrics. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    private static final LongAdder HANDLED = new LongAdder();

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        int width = ((Number) event.get("width")).intValue();
        int most = ((Number) event.get("max")).intValue();
        // Right: made for many threads, and no answer depends on it.
        HANDLED.increment();
        return Map.of("picture", event.get("picture"), "width", Math.min(width, most));
    }
}
