package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Makes an invoice as CSV and answers with its lines. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    // Wrong: all requests of an environment write the same file.
    private static final Path PATH = Path.of("/tmp/invoice.csv");

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        try {
            List<?> items = (List<?>) event.get("items");
            Files.write(PATH, items.stream().map(item -> event.get("customer") + "," + item).toList());
            Thread.sleep(10); // the printer's driver looks at it
            return Map.of("customer", event.get("customer"), "lines", Files.readAllLines(PATH));
        } catch (IOException | InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
