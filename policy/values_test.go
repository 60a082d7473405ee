package policy

import "testing"

// TestValuesFoldTags: names of tags are found in any spelling, their own first;
// everything else goes by the letter.
func TestValuesFoldTags(t *testing.T) {
	v := Values{
		"aws:requesttag/Team": {"red"}, "aws:requesttag/team": {"blue"}, "aws:resourcetag/Cost/Centre": {"1"},
		"aws:username": {"bob"}, "s3:prefix": {"home/"},
	}
	for key, want := range map[string]string{
		"aws:requesttag/Team": "red", "aws:requesttag/team": "blue", "aws:requesttag/TEAM": "red", "aws:resourcetag/cost/centre": "1",
		"aws:username": "bob", "aws:UserName": "", "aws:principaltag/Team": "", "aws:requesttag/": "", "s3:prefix/x": "",
	} {
		got, ok := v.Value(key)
		if ok != (want != "") || ok && (len(got) != 1 || got[0] != want) {
			t.Errorf("%s: %q, %v", key, got, ok)
		}
	}
}
