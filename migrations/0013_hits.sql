-- The statement that writes hits down holds their links itself, each once however many hits there are; the key looked for each link again at each hit.
alter table larder.share_hits drop constraint share_hits_share_id_fkey;
