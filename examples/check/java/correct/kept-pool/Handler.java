package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Weighs the parts of a shipment in parallel. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    // Right: one pool for the environment's life, and each request waits for all of its own work.
    private static final ExecutorService POOL = Executors.newFixedThreadPool(2);

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        List<Future<Integer>> parts = new ArrayList<>();
        for (Object part : (List<?>) event.get("litres")) {
            parts.add(POOL.submit(() -> ((Number) part).intValue() * 785));
        }
        try {
            int grams = 0;
            for (Future<Integer> part : parts) {
                grams += part.get();
            }
            return Map.of("shipment", event.get("shipment"), "grams", grams);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
