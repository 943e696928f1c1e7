package com.amazonaws.services.lambda.runtime.events;

import java.nio.ByteBuffer;
import java.util.Date;
import java.util.List;

/** Has what makes AWS's event classes special: names of another case, no setters, no simple constructor, seconds, buffers. */
public class TestEvent {
    private List<Entry> records;

    public List<Entry> getRecords() { return records; }
    public void setRecords(List<Entry> records) { this.records = records; }

    public static class Entry {
        private final String eventSourceArn;
        private final Date approximateArrivalTimestamp;
        private final ByteBuffer data;

        public Entry(String eventSourceArn, Date approximateArrivalTimestamp, ByteBuffer data) {
            this.eventSourceArn = eventSourceArn;
            this.approximateArrivalTimestamp = approximateArrivalTimestamp;
            this.data = data;
        }

        public String getEventSourceArn() { return eventSourceArn; }
        public Date getApproximateArrivalTimestamp() { return approximateArrivalTimestamp; }
        public ByteBuffer getData() { return data; }
    }
}
