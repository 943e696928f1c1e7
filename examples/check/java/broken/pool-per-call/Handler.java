package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Weighs the parts of a shipment in parallel. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        // Wrong: a pool for each request that is never shut down; its threads wait for ever.
        ExecutorService pool = Executors.newFixedThreadPool(2);
        List<?> litres = (List<?>) event.get("litres");
        try {
            int grams = 0;
            for (Object part : litres) {
                grams += pool.submit(() -> ((Number) part).intValue() * 785).get();
            }
            return Map.of("shipment", event.get("shipment"), "grams", grams);
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }
}
