       ID DIVISION.
       PROGRAM-ID. BOOKS.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       01 R PIC 9(6).
       PROCEDURE DIVISION.
           ACCEPT N.
           COMPUTE R = N * 9.
           DISPLAY R.
           GOBACK.
