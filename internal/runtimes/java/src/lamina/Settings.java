package lamina;

/** What the environment's variables say. */
final class Settings {
    final String api = System.getenv("AWS_LAMBDA_RUNTIME_API");
    final String handler = System.getenv("_HANDLER");
    final String task = or(System.getenv("LAMBDA_TASK_ROOT"), "/var/task");
    final String opt = or(System.getenv("LAMINA_OPT"), "/opt"); // where the layers are when not there
    final String runtime = or(System.getenv("LAMBDA_RUNTIME_DIR"), "/var/runtime");
    final String functionName = System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    final String functionVersion = System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    final String logGroup = System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    final String logStream = System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    final int memoryMB = number(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 128);
    final boolean jsonLogs = "json".equalsIgnoreCase(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
    final String logLevel = System.getenv("AWS_LAMBDA_LOG_LEVEL");
    final int concurrency = number(System.getenv("AWS_LAMBDA_MAX_CONCURRENCY"), 0);

    /** On Managed Instances, where several threads share the process. */
    boolean concurrent() {
        return concurrency > 0;
    }

    private static String or(String value, String other) {
        return value == null || value.isEmpty() ? other : value;
    }

    private static int number(String text, int other) {
        try {
            return text == null ? other : Integer.parseInt(text.trim());
        } catch (NumberFormatException e) {
            return other;
        }
    }
}
