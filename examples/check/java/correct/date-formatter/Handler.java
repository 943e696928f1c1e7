package shop;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.time.LocalDate;
import java.time.format.DateTimeFormatter;
import java.util.Map;

/** Says when a parcel arrives. */
public class Handler implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    // Right: a DateTimeFormatter never changes and serves all threads.
    private static final DateTimeFormatter FORMAT = DateTimeFormatter.ofPattern("yyyy-MM-dd");

    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        long sum = 0;
        LocalDate day = null;
        for (int i = 0; i < 60; i++) { // the calendar of a whole tour
            day = LocalDate.parse((String) event.get("sent"), FORMAT);
            sum += day.toEpochDay();
        }
        LocalDate arrives = day.plusDays(((Number) event.get("days")).longValue());
        return Map.of("parcel", event.get("parcel"), "arrives", FORMAT.format(arrives), "check", sum);
    }
}
