//lint:file-ignore SA1019 clients still call the old tag operations

package logs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/lamina-dev/lamina"
	"github.com/lamina-dev/lamina/internal/store/mem"
)

func (s service) groupNames(t *testing.T, in *cloudwatchlogs.DescribeLogGroupsInput) (names []string) {
	t.Helper()
	pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(s.Client, in)
	for pages.HasMorePages() {
		for _, g := range must(pages.NextPage(t.Context()))(t).LogGroups {
			names = append(names, *g.LogGroupName)
		}
	}
	return names
}

func TestGroupLifeCycle(t *testing.T) {
	s := start(t)
	must(s.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: new("/aws/lambda/f"), Tags: map[string]string{"a": "1"}, KmsKeyId: new("arn:aws:kms:us-east-1:000000000000:key/k"),
	}))(t)
	_, err := s.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("/aws/lambda/f")})
	wantError(t, err, "ResourceAlreadyExistsException", "The specified log group already exists")

	out := must(s.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{}))(t)
	want := types.LogGroup{
		LogGroupName: new("/aws/lambda/f"), CreationTime: new(epoch.UnixMilli()),
		Arn:         new("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*"),
		LogGroupArn: new("arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f"),
		StoredBytes: new(int64(0)), MetricFilterCount: new(int32(0)), LogGroupClass: types.LogGroupClassStandard,
		KmsKeyId: new("arn:aws:kms:us-east-1:000000000000:key/k"), DeletionProtectionEnabled: new(false),
	}
	if diff := cmp.Diff([]types.LogGroup{want}, out.LogGroups, cmp.AllowUnexported(types.LogGroup{}), cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}

	must(s.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: new("/aws/lambda/f")}))(t)
	_, err = s.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: new("/aws/lambda/f")})
	wantError(t, err, "ResourceNotFoundException", "The specified log group does not exist.")
}

func TestDeletedGroupTakesItsStreamsAndEvents(t *testing.T) {
	s := start(t)
	s.newGroup(t, "g")
	s.newGroup(t, "g2", "keep")
	for i := range 230 { // more than one commit holds
		s.newStream(t, "g", fmt.Sprintf("s%03d", i))
	}
	s.put(t, "g", "s000", "old")
	must(s.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: new("g")}))(t)
	if n := s.streams.Len(); n != 1 {
		t.Errorf("%d streams are left, want the other group's one", n)
	}
	s.advance(time.Millisecond)
	s.newGroup(t, "g", "s000")
	if got := s.filter(t, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g")}); len(got) != 0 {
		t.Errorf("a new group of the old name has %q", got)
	}
}

func TestDescribeGroupsFiltersAndPages(t *testing.T) {
	s := start(t)
	var all []string
	for i := range 60 {
		all = append(all, fmt.Sprintf("/app/%02d", i))
		s.newGroup(t, all[i])
	}
	s.newGroup(t, "other")
	if got := s.groupNames(t, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: new("/app/")}); !slices.Equal(got, all) {
		t.Errorf("by prefix, default page: %q", got)
	}
	if got := s.groupNames(t, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: new("/app/1"), Limit: new(int32(3))}); !slices.Equal(got, all[10:20]) {
		t.Errorf("small pages: %q", got)
	}
	if got := s.groupNames(t, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: new("p/59")}); !slices.Equal(got, all[59:]) {
		t.Errorf("by pattern: %q", got)
	}
	byID := &cloudwatchlogs.DescribeLogGroupsInput{LogGroupIdentifiers: []string{"other", "none", "arn:aws:logs:us-east-1:000000000000:log-group:/app/07"}}
	if got := s.groupNames(t, byID); !slices.Equal(got, []string{"/app/07", "other"}) {
		t.Errorf("by identifier: %q", got)
	}
	_, err := s.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePattern: new("a"), LogGroupNamePrefix: new("b")})
	wantError(t, err, "InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	_, err = s.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{NextToken: new("?")})
	wantError(t, err, "InvalidParameterException", "The specified nextToken is invalid.")
}

func TestDeletionProtection(t *testing.T) {
	s := start(t)
	must(s.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("g"), DeletionProtectionEnabled: new(true)}))(t)
	_, err := s.DeleteLogGroup(t.Context(), &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: new("g")})
	wantError(t, err, "ValidationException", "")
}

func TestRetention(t *testing.T) {
	s := start(t)
	s.newGroup(t, "g", "s")
	_, err := s.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: new("g"), RetentionInDays: new(int32(2))})
	wantError(t, err, "InvalidParameterException", "")
	_, err = s.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: new("x"), RetentionInDays: new(int32(1))})
	wantError(t, err, "ResourceNotFoundException", "The specified log group does not exist.")

	s.put(t, "g", "s", "early")
	must(s.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: new("g"), RetentionInDays: new(int32(1))}))(t)
	s.advance(20 * time.Hour)
	s.put(t, "g", "s", "late")
	s.advance(10 * time.Hour)
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g")}
	if got := s.filter(t, in); !slices.Equal(got, []string{"late"}) {
		t.Errorf("with a day's retention: %q", got)
	}
	out := must(s.DescribeLogGroups(t.Context(), &cloudwatchlogs.DescribeLogGroupsInput{}))(t)
	if got := aws.ToInt32(out.LogGroups[0].RetentionInDays); got != 1 {
		t.Errorf("shown retention %d", got)
	}
	must(s.DeleteRetentionPolicy(t.Context(), &cloudwatchlogs.DeleteRetentionPolicyInput{LogGroupName: new("g")}))(t)
	if got := s.filter(t, in); len(got) != 2 { // nothing was swept yet
		t.Errorf("without retention: %q", got)
	}
}

func TestRestartKeepsRetentionAndRemovesLeftovers(t *testing.T) {
	st, dir := mem.New(), t.TempDir()
	var lost lamina.LogGroup
	t.Run("before", func(t *testing.T) {
		s := startOn(t, st, dir)
		s.newGroup(t, "g", "s")
		s.newGroup(t, "lost", "s")
		s.put(t, "g", "s", "x")
		s.put(t, "lost", "s", "x")
		must(s.PutRetentionPolicy(t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: new("g"), RetentionInDays: new(int32(1))}))(t)
		row, _ := s.groups.Get(groupKey(scope, "lost"))
		lost = row.Value
	})
	t.Run("after", func(t *testing.T) {
		// A crash between the two halves of DeleteLogGroup.
		s := startOn(t, st, dir)
		if bytes := must(s.events.StoredBytes(eventsOf(lost)))(t); bytes == 0 {
			t.Error("nothing to lose")
		}
		s.advance(25 * time.Hour)
		if got := s.filter(t, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: new("g")}); len(got) != 0 {
			t.Errorf("retention is forgotten: %q", got)
		}
		batch := s.groups.Delete(lost.Key())
		must(s.view.Commit(t.Context(), batchOf(batch)))(t)
	})
	t.Run("later", func(t *testing.T) {
		s := startOn(t, st, dir)
		if bytes := must(s.events.StoredBytes(eventsOf(lost)))(t); bytes != 0 {
			t.Errorf("%d bytes of a deleted group are left", bytes)
		}
	})
}

func TestTagsInBothForms(t *testing.T) {
	s := start(t)
	s.newGroup(t, "g")
	ctx, arn := t.Context(), "arn:aws:logs:us-east-1:000000000000:log-group:g"
	must(s.TagLogGroup(ctx, &cloudwatchlogs.TagLogGroupInput{LogGroupName: new("g"), Tags: map[string]string{"a": "1", "b": "2"}}))(t)
	must(s.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: map[string]string{"b": "3", "c": "4"}}))(t)
	must(s.UntagLogGroup(ctx, &cloudwatchlogs.UntagLogGroupInput{LogGroupName: new("g"), Tags: []string{"a"}}))(t)
	old := must(s.ListTagsLogGroup(ctx, &cloudwatchlogs.ListTagsLogGroupInput{LogGroupName: new("g")}))(t).Tags
	if diff := cmp.Diff(map[string]string{"b": "3", "c": "4"}, old); diff != "" {
		t.Error(diff)
	}
	must(s.UntagResource(ctx, &cloudwatchlogs.UntagResourceInput{ResourceArn: &arn, TagKeys: []string{"b", "c", "none"}}))(t)
	if tags := must(s.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: &arn}))(t).Tags; tags == nil || len(tags) != 0 {
		t.Errorf("no tags are shown as %v", tags)
	}
	_, err := s.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: new("arn:aws:logs:us-east-1:000000000000:log-group:x")})
	wantError(t, err, "ResourceNotFoundException", "")
	_, err = s.ListTagsForResource(ctx, &cloudwatchlogs.ListTagsForResourceInput{ResourceArn: new("arn:aws:sqs:us-east-1:000000000000:q")})
	wantError(t, err, "InvalidParameterException", "")
	many := map[string]string{}
	for i := range 30 {
		many[fmt.Sprint("k", i)] = ""
	}
	must(s.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: many}))(t)
	for i := range 30 {
		many[fmt.Sprint("m", i)] = ""
		delete(many, fmt.Sprint("k", i))
	}
	_, err = s.TagResource(ctx, &cloudwatchlogs.TagResourceInput{ResourceArn: &arn, Tags: many})
	wantError(t, err, "TooManyTagsException", "")
}
