package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;
import java.util.UUID;

/** Gives a customer an anonymous number for statistics. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    // Wrong: a new salt at each start, so the same customer gets another number in each environment.
    private static final UUID SALT = UUID.randomUUID();

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        String text = SALT + event.get("customer");
        return Map.of("customer", event.get("customer"), "number", UUID.nameUUIDFromBytes(text.getBytes()).toString());
    }
}
