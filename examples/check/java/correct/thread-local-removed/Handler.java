package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Greets the caller by the name that came with the sign-in. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    private static final ThreadLocal<String> USER = ThreadLocal.withInitial(() -> "guest");

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        try {
            if (event.containsKey("signedIn")) {
                USER.set(event.get("signedIn"));
            }
            return Map.of("page", event.get("page"), "greeting", "Hello, " + USER.get());
        } finally {
            // Right: the thread's next request starts anew.
            USER.remove();
        }
    }
}
