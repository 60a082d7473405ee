package s3api

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/farhold/farhold/arn"
	"github.com/farhold/farhold/awserr"
	"github.com/farhold/farhold/realm"
	"github.com/farhold/farhold/wire/restxml"
)

// bucketsMax is how many buckets a page lists at most, and unless told.
const bucketsMax = 10_000

// listBuckets lists the caller's buckets in every region of the realm, as AWS
// does whatever endpoint is asked.
func listBuckets(d *Door, rq *Request) error {
	prefix, region := rq.Query.Get("prefix"), rq.Query.Get("bucket-region")
	token := rq.Query.Get("continuation-token")
	limit := bucketsMax
	if v, ok := rq.Query.Lookup("max-buckets"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > bucketsMax {
			return awserr.Argument("max-buckets", v, "Argument max-buckets must be an integer between 1 and %d", bucketsMax)
		}
		limit = n
	}
	if region != "" && !slices.Contains(d.opt.Realm.Regions(), region) {
		return awserr.Argument("bucket-region", region, "Argument value %s is not a valid AWS Region", region)
	}
	after, err := bucketToken(token, prefix)
	if err != nil {
		return err
	}

	// One bucket more than asked for tells whether another page follows.
	var found []realm.Name
	for more := true; more && len(found) <= limit; {
		var page []realm.Name
		page, more, err = d.opt.Realm.Names(rq.Ctx, prefix, after, limit+1-len(found))
		if err != nil {
			return err
		}
		for _, b := range page {
			after = b.Name
			if b.Owner == rq.Caller.Account && (region == "" || b.Region == region) {
				found = append(found, b)
			}
		}
		more = more && len(page) > 0
	}
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(found[limit-1].Name))
	}

	// AWS tells regions where the request has a parameter.
	asked := prefix != "" || region != "" || token != "" || rq.Query.Has("max-buckets")
	w := restxml.NewWriter(make([]byte, 0, 512+256*len(found)))
	w.OpenNS("ListAllMyBucketsResult", restxml.Namespace)
	w.Open("Owner")
	w.Elem("ID", canonicalID(rq.Caller.Account))
	w.Close("Owner")
	w.Open("Buckets")
	for _, b := range found {
		w.Open("Bucket")
		w.Elem("Name", b.Name)
		w.Time("CreationDate", b.Created)
		if asked {
			w.Elem("BucketRegion", b.Region)
		}
		w.Elem("BucketArn", arn.Bucket(b.Name).String())
		w.Close("Bucket")
	}
	w.Close("Buckets")
	w.Optional("ContinuationToken", next)
	w.Optional("Prefix", prefix)
	w.Close("ListAllMyBucketsResult")
	return rq.XML(http.StatusOK, w)
}

// bucketToken gives the name behind which a page begins.
func bucketToken(token, prefix string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(name) > 63 || token != "" && !strings.HasPrefix(string(name), prefix) {
		return "", awserr.Argument("continuation-token", token, "The continuation token provided is incorrect")
	}
	return string(name), nil
}
