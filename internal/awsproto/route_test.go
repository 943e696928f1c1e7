package awsproto

import "testing"

func TestQueryConstantsChooseTheOperation(t *testing.T) {
	root := &route{}
	for _, uri := range []string{"/f/{Name}/p", "/f/{Name}/p?List=ALL", "/f/{Name}/p?List=ALL&Deep", "/g/{Rest+}?acl"} {
		root.add("GET", uri, &entry{name: uri})
	}
	for _, tt := range []struct{ path, query, want string }{
		{"/f/x/p", "", "/f/{Name}/p"},
		{"/f/x/p", "Qualifier=1", "/f/{Name}/p"},
		{"/f/x/p", "List=ALL", "/f/{Name}/p?List=ALL"},
		{"/f/x/p", "MaxItems=1&List=A%4cL", "/f/{Name}/p?List=ALL"},
		{"/f/x/p", "List=all", "/f/{Name}/p"},
		{"/f/x/p", "List=ALL&List=ALL", "/f/{Name}/p"},
		{"/f/x/p", "Deep=&List=ALL", "/f/{Name}/p?List=ALL&Deep"},
		{"/g/a/b", "acl", "/g/{Rest+}?acl"},
		{"/g/a/b", "", ""},
	} {
		e, params := root.find("GET", tt.path, tt.query)
		if e == nil && tt.want == "" {
			continue
		}
		if e == nil || e.name != tt.want || len(params) != 1 {
			t.Errorf("%s?%s: %+v %v, want %s", tt.path, tt.query, e, params, tt.want)
		}
	}
}
