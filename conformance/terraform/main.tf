# What a team keeps in Terraform: keys, identities, buckets with every document
# that the provider knows, and replication between two regions.

terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

variable "endpoint" { type = string }
variable "suffix" { type = string }

# s3control gets no endpoint of its own here: it puts the account before the
# host, which "localhost" allows and an IP address does not.
provider "aws" {
  region            = "us-east-1"
  s3_use_path_style = true
  endpoints {
    s3        = var.endpoint
    iam       = var.endpoint
    kms       = var.endpoint
    sts       = var.endpoint
    s3control = var.endpoint
  }
}

provider "aws" {
  alias             = "west"
  region            = "us-west-2"
  s3_use_path_style = true
  endpoints {
    s3        = var.endpoint
    iam       = var.endpoint
    kms       = var.endpoint
    sts       = var.endpoint
    s3control = var.endpoint
  }
}

data "aws_caller_identity" "me" {}

# Keys

data "aws_iam_policy_document" "key" {
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.me.account_id}:root"]
    }
  }
}

resource "aws_kms_key" "source" {
  description             = "source"
  deletion_window_in_days = 7
  enable_key_rotation     = true
  rotation_period_in_days = 180
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = { team = "storage" }
}

resource "aws_kms_alias" "source" {
  name          = "alias/source-${var.suffix}"
  target_key_id = aws_kms_key.source.key_id
}

resource "aws_kms_key" "copy" {
  provider                = aws.west
  description             = "copy"
  deletion_window_in_days = 7
}

resource "aws_kms_alias" "copy" {
  provider      = aws.west
  name          = "alias/copy-${var.suffix}"
  target_key_id = aws_kms_key.copy.key_id
}

resource "aws_kms_grant" "reader" {
  name              = "reader"
  key_id            = aws_kms_key.source.key_id
  grantee_principal = aws_iam_role.reader.arn
  operations        = ["Decrypt", "DescribeKey"]
}

# Identities

data "aws_iam_policy_document" "s3_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "account_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::${data.aws_caller_identity.me.account_id}:root"]
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = ["terraform"]
    }
  }
}

data "aws_iam_policy_document" "read" {
  statement {
    actions   = ["s3:GetObject", "s3:ListBucket"]
    resources = [aws_s3_bucket.source.arn, "${aws_s3_bucket.source.arn}/*"]
  }
}

data "aws_iam_policy_document" "replicate" {
  statement {
    actions   = ["s3:GetReplicationConfiguration", "s3:ListBucket"]
    resources = [aws_s3_bucket.source.arn]
  }
  statement {
    actions   = ["s3:GetObjectVersionForReplication", "s3:GetObjectVersionAcl", "s3:GetObjectVersionTagging"]
    resources = ["${aws_s3_bucket.source.arn}/*"]
  }
  statement {
    actions   = ["s3:ReplicateObject", "s3:ReplicateDelete", "s3:ReplicateTags"]
    resources = ["${aws_s3_bucket.copy.arn}/*"]
  }
  statement {
    actions   = ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"]
    resources = [aws_kms_key.source.arn, aws_kms_key.copy.arn]
  }
}

resource "aws_iam_policy" "read" {
  name   = "read-${var.suffix}"
  path   = "/storage/"
  policy = data.aws_iam_policy_document.read.json
  tags   = { team = "storage" }
}

resource "aws_iam_role" "reader" {
  name                 = "reader-${var.suffix}"
  path                 = "/storage/"
  description          = "reads"
  max_session_duration = 7200
  assume_role_policy   = data.aws_iam_policy_document.account_trust.json
  permissions_boundary = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
  tags                 = { team = "storage" }
}

resource "aws_iam_role_policy_attachment" "reader" {
  role       = aws_iam_role.reader.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.reader.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

resource "aws_iam_role" "replication" {
  name               = "replication-${var.suffix}"
  assume_role_policy = data.aws_iam_policy_document.s3_trust.json
}

resource "aws_iam_role_policy" "replication" {
  name   = "replicate"
  role   = aws_iam_role.replication.id
  policy = data.aws_iam_policy_document.replicate.json
}

resource "aws_iam_user" "app" {
  name          = "app-${var.suffix}"
  path          = "/apps/"
  force_destroy = true
  tags          = { team = "storage" }
}

resource "aws_iam_access_key" "app" {
  user = aws_iam_user.app.name
}

resource "aws_iam_user_policy" "app" {
  name   = "own"
  user   = aws_iam_user.app.name
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_user_policy_attachment" "app" {
  user       = aws_iam_user.app.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_group" "apps" {
  name = "apps-${var.suffix}"
}

resource "aws_iam_group_policy" "apps" {
  name   = "group"
  group  = aws_iam_group.apps.name
  policy = data.aws_iam_policy_document.read.json
}

resource "aws_iam_group_policy_attachment" "apps" {
  group      = aws_iam_group.apps.name
  policy_arn = aws_iam_policy.read.arn
}

resource "aws_iam_group_membership" "apps" {
  name  = "apps"
  group = aws_iam_group.apps.name
  users = [aws_iam_user.app.name]
}

# The source bucket and its documents

resource "aws_s3_bucket" "source" {
  bucket        = "source-${var.suffix}"
  force_destroy = true
  tags          = { team = "storage", kind = "source" }
}

resource "aws_s3_bucket_versioning" "source" {
  bucket = aws_s3_bucket.source.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "source" {
  bucket = aws_s3_bucket.source.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.source.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "source" {
  bucket                  = aws_s3_bucket.source.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "source" {
  bucket = aws_s3_bucket.source.id
  rule { object_ownership = "BucketOwnerPreferred" }
}

resource "aws_s3_bucket_acl" "source" {
  depends_on = [aws_s3_bucket_ownership_controls.source]
  bucket     = aws_s3_bucket.source.id
  acl        = "private"
}

data "aws_iam_policy_document" "bucket" {
  statement {
    sid       = "App"
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.source.arn}/*"]
    principals {
      type        = "AWS"
      identifiers = [aws_iam_user.app.arn, aws_iam_role.reader.arn]
    }
  }
}

resource "aws_s3_bucket_policy" "source" {
  bucket = aws_s3_bucket.source.id
  policy = data.aws_iam_policy_document.bucket.json
}

resource "aws_s3_bucket_lifecycle_configuration" "source" {
  depends_on = [aws_s3_bucket_versioning.source]
  bucket     = aws_s3_bucket.source.id
  rule {
    id     = "age"
    status = "Enabled"
    filter { prefix = "archive/" }
    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }
    noncurrent_version_expiration { noncurrent_days = 365 }
    abort_incomplete_multipart_upload { days_after_initiation = 7 }
  }
}

resource "aws_s3_bucket_cors_configuration" "source" {
  bucket = aws_s3_bucket.source.id
  cors_rule {
    allowed_methods = ["GET", "PUT"]
    allowed_origins = ["https://example.com"]
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3000
  }
}

resource "aws_s3_bucket_website_configuration" "source" {
  bucket = aws_s3_bucket.source.id
  index_document { suffix = "index.html" }
  error_document { key = "error.html" }
}

resource "aws_s3_bucket_logging" "source" {
  bucket        = aws_s3_bucket.source.id
  target_bucket = aws_s3_bucket.logs.id
  target_prefix = "log/"
}

resource "aws_s3_bucket_intelligent_tiering_configuration" "source" {
  bucket = aws_s3_bucket.source.id
  name   = "all"
  tiering {
    access_tier = "ARCHIVE_ACCESS"
    days        = 90
  }
}

resource "aws_s3_bucket_inventory" "source" {
  bucket                   = aws_s3_bucket.source.id
  name                     = "weekly"
  included_object_versions = "All"
  schedule { frequency = "Weekly" }
  destination {
    bucket {
      format     = "CSV"
      bucket_arn = aws_s3_bucket.logs.arn
    }
  }
}

resource "aws_s3_bucket_metric" "source" {
  bucket = aws_s3_bucket.source.id
  name   = "all"
}

resource "aws_s3_bucket_analytics_configuration" "source" {
  bucket = aws_s3_bucket.source.id
  name   = "all"
}

resource "aws_s3_bucket_request_payment_configuration" "source" {
  bucket = aws_s3_bucket.source.id
  payer  = "BucketOwner"
}

resource "aws_s3_bucket_accelerate_configuration" "source" {
  bucket = aws_s3_bucket.source.id
  status = "Suspended"
}

resource "aws_s3_bucket_replication_configuration" "source" {
  depends_on = [aws_s3_bucket_versioning.source, aws_s3_bucket_versioning.copy]
  bucket     = aws_s3_bucket.source.id
  role       = aws_iam_role.replication.arn
  rule {
    id       = "all"
    priority = 1
    status   = "Enabled"
    filter {}
    delete_marker_replication { status = "Enabled" }
    source_selection_criteria {
      sse_kms_encrypted_objects { status = "Enabled" }
    }
    destination {
      bucket        = aws_s3_bucket.copy.arn
      storage_class = "STANDARD_IA"
      encryption_configuration { replica_kms_key_id = aws_kms_key.copy.arn }
      metrics {
        status = "Enabled"
        event_threshold { minutes = 15 }
      }
      replication_time {
        status = "Enabled"
        time { minutes = 15 }
      }
    }
  }
}

resource "aws_s3_object" "hello" {
  depends_on = [aws_s3_bucket_server_side_encryption_configuration.source, aws_s3_bucket_replication_configuration.source]
  bucket     = aws_s3_bucket.source.id
  key        = "hello.txt"
  content    = "hello"
  tags       = { a = "b" }
  metadata   = { made-by = "terraform" }
}

# Where copies and logs go

resource "aws_s3_bucket" "copy" {
  provider      = aws.west
  bucket        = "copy-${var.suffix}"
  force_destroy = true
}

resource "aws_s3_bucket_versioning" "copy" {
  provider = aws.west
  bucket   = aws_s3_bucket.copy.id
  versioning_configuration { status = "Enabled" }
}

resource "aws_s3_bucket" "logs" {
  bucket        = "logs-${var.suffix}"
  force_destroy = true
}

resource "aws_s3_bucket" "locked" {
  bucket              = "locked-${var.suffix}"
  object_lock_enabled = true
  force_destroy       = true
}

resource "aws_s3_bucket_object_lock_configuration" "locked" {
  bucket = aws_s3_bucket.locked.id
  rule {
    default_retention {
      mode = "GOVERNANCE"
      days = 1
    }
  }
}

resource "aws_s3_account_public_access_block" "me" {
  block_public_acls   = true
  block_public_policy = true
}
