"""The tiers that counts move through as they age, and how to read all of them as one.

Hot: a row a minute. Warm: a packed row a camera, zone and UTC day. Cold: a Parquet file a month. Historical: a Parquet
file a year. The table ``archives`` says which files there are; a file that it does not name does not exist.
"""
