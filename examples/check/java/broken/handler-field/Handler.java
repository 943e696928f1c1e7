package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.Map;

/** Writes a letter to a customer. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    // Wrong: there is one handler object for all threads, so its fields are everyone's.
    private String name;
    private String town;

    private String letter() {
        return "Dear " + name + ", how is " + town + "?";
    }

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        name = event.get("name");
        town = event.get("town");
        try {
            Thread.sleep(10); // looks the town up
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return Map.of("letter", letter());
    }
}
