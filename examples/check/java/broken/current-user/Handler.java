package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.List;
import java.util.Map;

/** Lists the documents that the caller may see. */
public class Handler implements RequestHandler<Map<String, String>, Map<String, Object>> {
    private static final Map<String, String> OWNERS = Map.of("maria.keller", "salaries", "jonas.weber", "roadmap", "paula.ruiz", "budget");

    // Wrong: requests overlap on threads; this is whoever came last.
    private static String currentUser;

    private static List<String> visible() throws InterruptedException {
        Thread.sleep(15); // what the database takes
        String document = OWNERS.get(currentUser);
        return document == null ? List.of() : List.of(document);
    }

    public Map<String, Object> handleRequest(Map<String, String> event, Context context) {
        currentUser = event.get("user");
        try {
            List<String> documents = visible();
            return Map.of("user", currentUser, "documents", documents);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
