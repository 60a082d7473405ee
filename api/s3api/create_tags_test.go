package s3api

import (
	"testing"
	"time"

	"github.com/farhold/farhold/access"
)

// The tags that a bucket is made with count in aws:RequestTag and aws:TagKeys,
// as they do where S3 Control's TagResource gives it them: else who may not give
// a tag would make the bucket with it.
func TestTagsOfNewBucketsAreDecidedOn(t *testing.T) {
	east, _ := eastAndWest(t)
	const alice = "arn:aws:iam::" + testAccount + ":user/alice"
	try := func(bucket, region, key, value string) answer {
		body := []byte("<CreateBucketConfiguration>")
		if region != "" {
			body = append(body, "<LocationConstraint>"+region+"</LocationConstraint>"...)
		}
		if key != "" {
			body = append(body, "<Tags><Tag><Key>"+key+"</Key><Value>"+value+"</Value></Tag></Tags>"...)
		}
		body = append(body, "</CreateBucketConfiguration>"...)
		return east.send(east.signAs(east.request("PUT", "/"+bucket, body), body, "AKIAALICE", "alice's secret", time.Now()))
	}
	const all = `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`
	for _, action := range []string{"s3:CreateBucket", "s3:TagResource"} {
		name := map[string]string{"s3:CreateBucket": "made", "s3:TagResource": "tagged"}[action]
		east.bind(alice, &access.Policies{Identity: onePolicy(t, all,
			`{"Effect":"Deny","Action":"`+action+`","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/Team":"Red"}}}`)})
		try(name+"-red", "", "Team", "Red").want(t, 403, "AccessDenied")
		try(name+"-red", "us-west-2", "Team", "Red").want(t, 403, "AccessDenied")
		try(name+"-red", "", "tEAM", "Red").want(t, 403, "AccessDenied")
		try(name+"-blue", "", "Team", "Blue").want(t, 200, "")
		try(name+"-far", "us-west-2", "Team", "Blue").want(t, 200, "")
		try(name+"-none", "us-west-2", "", "").want(t, 200, "")
		east.bind(alice, &access.Policies{Identity: onePolicy(t, all,
			`{"Effect":"Deny","Action":"`+action+`","Resource":"*","Condition":{"ForAnyValue:StringNotEquals":{"aws:TagKeys":"Team"}}}`)})
		try(name+"-cost", "", "Cost", "1").want(t, 403, "AccessDenied")
		try(name+"-team", "", "Team", "Red").want(t, 200, "")
	}
	east.bind(alice, &access.Policies{Identity: onePolicy(t, all,
		`{"Effect":"Deny","Action":"s3:CreateBucket","Resource":"*","Condition":{"Null":{"aws:RequestTag/Team":"true"}}}`)})
	try("untagged", "", "", "").want(t, 403, "AccessDenied")
	try("must-have", "", "Team", "Red").want(t, 200, "")
}
