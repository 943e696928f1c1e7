// Makes the preview of a page and keeps it, should it be asked for again.
const previews = new Map();

function render(page, width) {
  return Buffer.alloc(width * 3000, page);
}

export async function handler(event, context) {
  // Wrong: a cache by request id is never hit again and never emptied.
  previews.set(context.awsRequestId, render(event.page, event.width));
  return { page: event.page, bytes: previews.get(context.awsRequestId).length };
}
