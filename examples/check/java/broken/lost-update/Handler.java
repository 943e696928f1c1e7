package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Reserves seats of a hall for as long as the request takes, and says whether the count is then as before. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    private static int free = 500;

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        int seats = ((Number) event.get("seats")).intValue();
        try {
            int now = free;
            Thread.sleep(8); // asks the hall's own system
            // Wrong: written from a value read before, without a lock; changes of overlapping requests get lost.
            free = now - seats;
            Thread.sleep(2);
            free += seats;
            return Map.of("guest", event.get("guest"), "balanced", free == now);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
