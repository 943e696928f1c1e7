package lamina;

/** How values of a type are read from JSON and written to it. */
final class Codec {
    private Codec() {
    }

    /** Reads one type. */
    @FunctionalInterface
    interface In {
        /** The next value is not null. */
        Object read(JsonIn in);

        /** What null stands for, and what is absent. */
        default Object absent() {
            return null;
        }

        default Object readOrAbsent(JsonIn in) {
            return in.takeNull() ? absent() : read(in);
        }

        default Object readWhole(byte[] text) throws Throwable {
            JsonIn in = new JsonIn(text);
            Object v = in.peek() < 0 ? absent() : readOrAbsent(in);
            in.end();
            return v;
        }
    }

    /** Writes one type. */
    @FunctionalInterface
    interface Out {
        void write(Object value, JsonOut out) throws Throwable;
    }
}
