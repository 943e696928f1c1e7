package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;
import java.util.Map;

/** Lists the documents that the caller may see. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    private static final Map<String, String> OWNERS = Map.of("maria.keller", "salaries", "jonas.weber", "roadmap", "paula.ruiz", "budget");

    private static List<String> visible(String user) throws InterruptedException {
        Thread.sleep(15);
        String document = OWNERS.get(user);
        return document == null ? List.of() : List.of(document);
    }

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        // Right: the user is a variable of this call.
        String currentUser = event.get("user");
        try {
            return Map.of("user", currentUser, "documents", visible(currentUser));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
