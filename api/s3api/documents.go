package s3api

func documentRoutes() []Route { return nil }

func getBucketPolicyStatus(d *Door, rq *Request) error { return nil }
func (d *Door) preflight(rq *Request) error            { return nil }
func (d *Door) allowOrigin(rq *Request)                {}
