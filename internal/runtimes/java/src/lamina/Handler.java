package lamina;

/** The function's handler: reads the event and writes the answer. Several threads call it at once. */
@FunctionalInterface
interface Handler {
    void handle(Invocation invocation, JsonOut answer) throws Throwable;
}
